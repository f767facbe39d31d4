// The set of keys and the search for rows in WebAssembly do what a plain Set over the rows' texts does.
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { KeyScan } from "../../../src/repository/key-scan.ts";
import { forEachRow } from "../../../src/repository/row-lines.ts";

const field = fc.stringMatching(/^[a-c0-9]{0,6}$/);
const rows = (columns: number) =>
  fc.array(fc.array(field, { minLength: columns, maxLength: columns }), { maxLength: 60 });
const textOf = (lines: readonly (readonly string[])[]): Buffer =>
  Buffer.from(lines.map((line) => `${line.join("\t")}\n`).join(""));

describe("a set of keys", () => {
  test("finds the rows whose key is in it, or is not, whatever the cuts of what was added", () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 3 })
          .chain((columns) =>
            fc.record({ columns: fc.constant(columns), keys: rows(columns), stored: rows(columns + 1) }),
          ),
        fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 6 }),
        ({ columns, keys, stored }, cuts) => {
          const scan = new KeyScan(keys.length, columns);
          const added = textOf(keys);
          const ends = [...new Set([...cuts, added.length])]
            .filter((cut) => cut <= added.length)
            .toSorted((a, b) => a - b);
          ends.forEach((end, at) => scan.add(added.subarray(ends[at - 1] ?? 0, end)));
          const text = textOf(stored);
          const wanted = new Set(keys.map((key) => key.join("\t")));
          const expected: [string, string][] = [];
          forEachRow(text, columns, (key, start, end) => {
            expected.push([wanted.has(key) ? "in" : "notIn", text.toString("latin1", start, end)]);
          });
          for (const which of ["in", "notIn"] as const) {
            const found = [...scan.find(text, which)].map(([start, keyEnd, end]) => {
              expect(wanted.has(text.toString("latin1", start, keyEnd))).toBe(which === "in");
              return text.toString("latin1", start, end);
            });
            expect(found).toEqual(expected.filter(([side]) => side === which).map(([, row]) => row));
          }
          scan.release();
        },
      ),
      { numRuns: 300 },
    );
  });

  test("holds as many keys as it was made for, and rows longer than its first memory", () => {
    const count = 50_000;
    const scan = new KeyScan(count, 1);
    for (let i = 0; i < count; i += 1_000)
      scan.add(Buffer.from(Array.from({ length: 1_000 }, (_, at) => `key ${i + at}\n`).join("")));
    const long = "x".repeat(20_000_000);
    const text = Buffer.from(`key 49999\t${long}\nnone\t${long}\n`);
    expect([...scan.find(text, "in")]).toEqual([[0, 9, 20_000_011]]);
    expect([...scan.find(text, "notIn")].map(([start, keyEnd]) => text.toString("latin1", start, keyEnd))).toEqual([
      "none",
    ]);
    scan.release();
  });
});

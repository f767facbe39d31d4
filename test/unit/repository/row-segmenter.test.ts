import { readFile } from "node:fs/promises";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { compileRowScan } from "../../../scripts/build-row-scan.ts";
import { RowSegmenter, segmentSizes } from "../../../src/repository/row-segmenter.ts";
import { outcomeOf } from "../../support/outcome.ts";
import { segmentByReference, xxh64, type ReferenceOptions } from "../../support/reference-segmenter.ts";

const small = { targetBytes: 256, minBytes: 64, maxBytes: 512 };

function segment(text: Buffer, options: ReferenceOptions, chunkSizes: readonly number[] = [text.length || 1]) {
  const segmenter = new RowSegmenter(options);
  const found: { raw: Buffer; rows: number }[] = [];
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const size = chunkSizes[turn % chunkSizes.length] as number;
    found.push(...segmenter.push(text.subarray(at, at + size)));
    at += size;
  }
  found.push(...segmenter.end());
  const segments = found.map(({ raw, rows }) => ({ raw: raw.toString("latin1"), rows }));
  return { segments, checksum: segmenter.checksum, rows: segmenter.rows, rawBytes: segmenter.rawBytes };
}

/** Rows of COPY text with what it escapes, empty ones, and some longer than a segment may be. */
const field = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 20 }).map((text) => text.replaceAll(/[\t\n\r]/g, "")) },
  { weight: 2, arbitrary: fc.constantFrom("", "\\N", "\\\\", "\\t\\n", "Zoë 💍", "\r") },
  { weight: 1, arbitrary: fc.integer({ min: 100, max: 1500 }).map((length) => "x".repeat(length)) },
);
const row = fc.array(field, { minLength: 1, maxLength: 5 }).map((fields) => `${fields.join("\t")}\n`);
const text = fc.array(row, { maxLength: 120 }).map((rows) => Buffer.from(rows.join("")));
const options = fc.record({
  seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  keyColumnCount: fc.nat(6),
  targetBytes: fc.constant(small.targetBytes),
  minBytes: fc.constant(small.minBytes),
  maxBytes: fc.constant(small.maxBytes),
});

describe("the row segmenter", () => {
  test("cuts and sums as the reference implementation does", () => {
    fc.assert(
      fc.property(text, options, (bytes, each) => {
        const { segments, checksum } = segment(bytes, each);
        expect({ segments, checksum }).toEqual(segmentByReference(bytes, each));
      }),
      { numRuns: 300 },
    );
  });

  test("cuts in the same places whatever the chunks", () => {
    const chunks = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(text, options, chunks, (bytes, each, sizes) => {
        expect(segment(bytes, each, sizes)).toEqual(segment(bytes, each));
      }),
    );
  });

  test("gives whole rows, all of them, in order, within the sizes", () => {
    fc.assert(
      fc.property(text, options, (bytes, each) => {
        const { segments, rows, rawBytes } = segment(bytes, each);
        expect(segments.map(({ raw }) => raw).join("")).toBe(bytes.toString("latin1"));
        expect([rows, rawBytes]).toEqual([bytes.filter((byte) => byte === 10).length, bytes.length]);
        for (const [index, { raw, rows: own }] of segments.entries()) {
          expect(raw.endsWith("\n")).toBe(true);
          expect(raw.split("\n")).toHaveLength(own + 1);
          if (index < segments.length - 1) expect(raw.length).toBeGreaterThanOrEqual(small.minBytes);
          // At most the maximum without its last row: a row is never split.
          expect(raw.lastIndexOf("\n", raw.length - 2) + 1).toBeLessThan(small.maxBytes);
        }
      }),
    );
  });

  test("cuts elsewhere with another seed", () => {
    const bytes = rowsOf(2_000);
    const cuts = (seed: bigint) =>
      segment(bytes, { ...small, seed, keyColumnCount: 1 }).segments.map(({ rows }) => rows);
    expect(cuts(1n)).not.toEqual(cuts(2n));
  });

  const rowsOf = (count: number, change: (index: number) => string = () => "") =>
    Buffer.from(Array.from({ length: count }, (_, index) => `${index}\tguest ${index}${change(index)}\n`).join(""));

  test("one changed, added or removed row changes about two segments, and far from all, wherever it is", () => {
    const each = { ...small, seed: 77n, keyColumnCount: 1 };
    const before = new Set(segment(rowsOf(2_000), each).segments.map(({ raw }) => raw));
    expect(before.size).toBeGreaterThan(100);
    const fresh = (bytes: Buffer) => segment(bytes, each).segments.filter(({ raw }) => !before.has(raw)).length;
    const lines = rowsOf(2_000).toString().split("\n").slice(0, -1);
    const joined = (all: string[]) => Buffer.from(all.map((line) => `${line}\n`).join(""));
    let [most, sum] = [0, 0];
    for (let at = 0; at < 2_000; at += 97) {
      const changed = fresh(rowsOf(2_000, (index) => (index === at ? " is allergic" : "")));
      const removed = fresh(joined(lines.toSpliced(at, 1)));
      const added = fresh(joined(lines.toSpliced(at, 0, "new\tguest")));
      most = Math.max(most, changed, removed, added);
      sum += changed + removed + added;
    }
    expect(sum / (3 * Math.ceil(2_000 / 97))).toBeLessThan(2.5);
    expect(most).toBeLessThanOrEqual(12);
  });

  test("sums the same for the same rows in any order, and another sum for any other rows", () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), options, fc.nat(), (rows, each, at) => {
        const sum = (all: readonly string[]) => segment(Buffer.from(all.join("")), each).checksum;
        expect(sum(rows.toReversed())).toBe(sum(rows));
        expect(sum(rows.with(at % rows.length, "something else\n"))).not.toBe(sum(rows));
        expect(sum([...rows, "one more\n"])).not.toBe(sum(rows));
      }),
    );
  });

  test("knows XXH64 by its published vectors", () => {
    const vectors: [string, bigint, string][] = [
      ["", 0n, "ef46db3751d8e999"],
      ["a", 0n, "d24ec4f1a98c6e5b"],
      ["abc", 0n, "44bc2cf5ad770999"],
      ["Nobody inspects the spammish repetition", 0n, "fbcea83c8a378bf1"],
      ["xxhash", 20141025n, "b559b98d844e0635"],
    ];
    for (const [input, seed, hash] of vectors) {
      expect(xxh64(Buffer.from(input), seed).toString(16).padStart(16, "0")).toBe(hash);
      if (seed === 0n)
        expect(segment(Buffer.from(`${input}\n`), { ...small, seed, keyColumnCount: 0 }).checksum).toBe(hash);
    }
  });

  test("of the stored format's sizes makes segments of about 1 MiB", () => {
    expect(segmentSizes).toEqual({ targetBytes: 1_048_576, minBytes: 262_144, maxBytes: 4_194_304 });
    const { segments } = segment(rowsOf(500_000), { ...segmentSizes, seed: 5n, keyColumnCount: 1 }, [65_536]);
    const mean = segments.reduce((sum, { raw }) => sum + raw.length, 0) / segments.length;
    expect(mean).toBeGreaterThan(500_000);
    expect(mean).toBeLessThan(2_000_000);
  });

  test("takes a row far larger than its memory, and rows behind it", () => {
    const bytes = Buffer.concat([Buffer.alloc(30_000_000, "x"), Buffer.from("\nsmall\n")]);
    const { segments, rows } = segment(bytes, { ...segmentSizes, seed: 1n, keyColumnCount: 0 }, [1_000_003]);
    expect([segments.map((each) => each.raw.length), rows]).toEqual([[30_000_001, 6], 2]);
  });

  test("refuses text that ends in the middle of a row", async () => {
    const segmenter = new RowSegmenter({ seed: 1n, keyColumnCount: 1 });
    segmenter.push(Buffer.from("whole\nhalf"));
    expect(segmenter.endsWithRow).toBe(false);
    expect(await outcomeOf(() => segmenter.end())).toBe("SourceRejected");
  });

  test("is compiled from the source beside it", async () => {
    const stored = await readFile(new URL("../../../src/repository/row-scan.wasm", import.meta.url));
    expect(stored.equals(await compileRowScan())).toBe(true);
  });
});

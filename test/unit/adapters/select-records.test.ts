import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { rowsInQuestion } from "../../../src/adapters/postgres/restore/rows-in-question.ts";
import { takeDependants } from "../../../src/adapters/postgres/restore/take-dependants.ts";
import { RecordClosure } from "../../../src/domain/restore/record-closure.ts";
import type { Sought } from "../../../src/domain/restore/sought-texts.ts";
import type { BackupTable } from "../../../src/ports/restore-target.ts";
import { catalogueOf, describeSchema, describeTable } from "../../support/schema-builder.ts";

/** Whole rows, cut into chunks of up to `perChunk` rows. */
async function* chunksOf(lines: readonly string[], perChunk: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < lines.length; at += perChunk)
    yield Buffer.from(
      lines
        .slice(at, at + perChunk)
        .map((line) => `${line}\n`)
        .join(""),
    );
}

async function linesOf(rows: AsyncIterable<{ line: string }>): Promise<string[]> {
  const lines: string[] = [];
  for await (const { line } of rows) lines.push(line);
  return lines;
}

const columns = ["a", "b", "c"];
const field = fc.constantFrom("", "1", "11", "é", "花", "ÿ", "\\N", "a b", "\\t");
const row = fc.tuple(field, field, field).map((fields) => fields.join("\t"));

describe("rows in question", () => {
  test("are those that hold a sought text in its column, whole and in order", async () => {
    const sought = fc.dictionary(fc.constantFrom("a", "b", "c", "of another table"), fc.uniqueArray(field));
    await fc.assert(
      fc.asyncProperty(fc.array(row), fc.integer({ min: 1, max: 5 }), sought, async (lines, perChunk, texts) => {
        const seeking: Sought = new Map(Object.entries(texts).map(([name, values]) => [name, new Set(values)]));
        const found = await linesOf(rowsInQuestion(chunksOf(lines, perChunk), columns, seeking));
        const isSought = (line: string): boolean =>
          line.split("\t").some((value, index) => seeking.get(columns[index] ?? "")?.has(value));
        expect(found).toEqual(lines.filter(isSought));
      }),
    );
  });

  test("are all rows where texts do not tell", async () => {
    const lines = ["1\t2\t3", "\t\t", "é\t\\N\t花"];
    expect(await linesOf(rowsInQuestion(chunksOf(lines, 2), columns, null))).toEqual(lines);
  });
});

describe("the dependants of a record", () => {
  test("are found in whatever order their rows pass by, each once", async () => {
    const schema = describeSchema([
      describeTable("public.tasks", {
        columns: { id: "integer!", parent: "integer!", title: "text" },
        keys: ["parent → public.tasks"],
      }),
      describeTable("public.notes", {
        columns: { task: "integer!", words: "text" },
        keys: ["task → public.tasks"],
      }),
    ]);
    // Each task but the first hangs on one of a smaller number; notes have no key, and may be there twice.
    const forest = fc.array(fc.nat(), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        forest,
        fc.array(fc.nat(12), { maxLength: 12 }),
        fc.nat(),
        fc.infiniteStream(fc.nat()),
        async (parents, notes, chosen, dice) => {
          const parentOf = parents.map((die, id) => (id === 0 ? 0 : die % id));
          const shuffled = <T>(items: readonly T[]): T[] => {
            const keyed = items.map((item) => [dice.next().value as number, item] as const);
            return keyed.toSorted(([a], [b]) => a - b).map(([, item]) => item);
          };
          const tasks = shuffled(parentOf.map((parent, id) => `${id}\t${parent}\ttask ${id}`));
          const words = shuffled(notes.map((task) => `${task}\tnote`));
          const source = (table: string, names: string[], lines: string[]): BackupTable => ({
            table,
            columns: names,
            keyColumnCount: 0,
            rows: lines.length,
            rawBytes: 0,
            checksum: "",
            readRows: () => chunksOf(lines, 3),
          });
          const sources = [
            source("public.notes", ["task", "words"], words),
            source("public.tasks", ["id", "parent", "title"], tasks),
          ];
          const record = chosen % parents.length;
          const closure = new RecordClosure(
            schema,
            sources,
            catalogueOf(["public.orgs", "public.tasks", "public.notes"]),
          );
          closure.choose("public.tasks", [String(record)], 1);
          const kept = new Map<string, string[]>();
          await takeDependants(sources, closure, {
            forget: (table) => void kept.delete(table),
            keep: (table, line) => void kept.set(table, [...(kept.get(table) ?? []), line]),
          });
          const hangsOn = (id: number): boolean => id === record || (id !== 0 && hangsOn(parentOf[id] ?? 0));
          expect(kept.get("public.tasks")).toEqual(tasks.filter((line) => hangsOn(Number(line.split("\t")[0]))));
          const expected = words.filter(
            (line) => Number(line.split("\t")[0]) < parents.length && hangsOn(Number(line.split("\t")[0])),
          );
          expect(kept.get("public.notes") ?? []).toEqual(expected);
        },
      ),
    );
  });
});

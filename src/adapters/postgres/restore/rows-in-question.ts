// Rows of COPY text that hold one of the sought texts in one of the sought columns. Most rows hold none, so only those that
// do are made into text and fields: the others cost a look for tabs and a look-up.
import type { Sought } from "../../../domain/restore/sought-texts.ts";

export interface PassingRow {
  readonly line: string;
  readonly fields: readonly string[];
}

/** Chunks hold whole rows. `sought` may grow meanwhile; null = every row. */
export async function* rowsInQuestion(
  chunks: AsyncIterable<Buffer>,
  columns: readonly string[],
  sought: Sought | null,
): AsyncGenerator<PassingRow> {
  for await (const chunk of chunks) {
    if (sought !== null && !mayHold(chunk, sought)) continue;
    // One character a byte, so that a place in it is a place in the chunk.
    const text = chunk.toString("latin1");
    for (let start = 0; start < text.length;) {
      const newline = text.indexOf("\n", start);
      const end = newline < 0 ? text.length : newline;
      if (sought === null || mayMatter(text, start, end, columns, sought)) {
        const line = chunk.toString("utf8", start, end);
        yield { line, fields: line.split("\t") };
      }
      start = end + 1;
    }
  }
}

/** Most chunks hold none of a few texts anywhere; a search through the bytes is far quicker than one field by field. */
const maxTexts = 16;

function mayHold(chunk: Buffer, sought: Sought): boolean {
  const sets = [...sought.values()];
  if (sets.reduce((sum, texts) => sum + texts.size, 0) > maxTexts) return true;
  return sets.some((texts) => [...texts].some((text) => chunk.includes(text)));
}

function mayMatter(text: string, start: number, end: number, columns: readonly string[], sought: Sought): boolean {
  let left = sought.size;
  let from = start;
  for (const name of columns) {
    const tab = text.indexOf("\t", from);
    const to = tab < 0 || tab > end ? end : tab;
    const values = sought.get(name);
    if (values !== undefined) {
      if (values.has(inUtf8(text.slice(from, to)))) return true;
      left -= 1;
      if (left === 0) return false;
    }
    from = to + 1;
  }
  return false;
}

/** Of one character a byte; keys seldom hold anything but ASCII. */
const inUtf8 = (text: string): string =>
  /[\u0080-\u00ff]/.test(text) ? Buffer.from(text, "latin1").toString("utf8") : text;

// Lists that come page by page, newest first. Where the next page begins is told by the last entry of this one.
import { z } from "zod";
import { ValueError } from "./problem.ts";

interface List<Row, Position> {
  /** The form of a position; it comes back from a caller. */
  readonly cursor: z.ZodType<Position>;
  /** At most so many rows, those behind the position. */
  readonly read: (after: Position | null, most: number) => Promise<readonly Row[]>;
  readonly positionOf: (row: Row) => Position;
}

/** @throws ValueInvalid for a cursor that no page had */
export async function readPage<Row, Position extends Readonly<Record<string, string | number>>>(
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  list: List<Row, Position>,
): Promise<{ page: readonly Row[]; next: string | null }> {
  const rows = await list.read(decodeCursor(list.cursor, cursor), limit + 1); // one more tells whether there is a next page
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { page, next: rows.length > limit && last !== undefined ? encodeCursor(list.positionOf(last)) : null };
}

/** Where a list goes on: the last entry's time and id. It names no organization; row-level security holds whatever it says. */
export function encodeCursor(position: Readonly<Record<string, string | number>>): string {
  return Buffer.from(JSON.stringify(position)).toString("base64url");
}

export function decodeCursor<T extends z.ZodType>(schema: T, text: string | undefined): z.output<T> | null {
  if (text === undefined) return null;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ValueError([{ field: "query.cursor", message: "must be the `next` of a page" }]);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new ValueError([{ field: "query.cursor", message: "must be the `next` of a page" }]);
  return parsed.data;
}

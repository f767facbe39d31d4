// Texts by which rows are told from those that are of no interest, before a row is taken apart: one text in one column, and
// of a key that has several columns its first one's.
import type { TableName } from "../schema.ts";

/** By column, as in COPY text. */
export type Sought = ReadonlyMap<string, ReadonlySet<string>>;

export class SoughtTexts {
  private readonly byTable = new Map<TableName, Map<string, Set<string>>>();

  /** `key` as canonical keys are. */
  add(table: TableName, [column = ""]: readonly string[], key: string): void {
    const sought = this.byTable.get(table) ?? new Map<string, Set<string>>();
    this.byTable.set(table, sought);
    const texts = sought.get(column) ?? new Set();
    sought.set(column, texts);
    texts.add(key.split("\t", 1)[0] ?? "");
  }

  /** Grows on, once there is one. */
  of(table: TableName): Sought {
    return this.byTable.get(table) ?? new Map();
  }
}

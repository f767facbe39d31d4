// What was asked of the database before anybody waited for it (count-ahead.ts), until somebody does.
import type { ChangedRows, TableCounts } from "./row-sets.ts";

export class AnswersAhead {
  /** By table. */
  readonly counts = new Map<string, Promise<TableCounts>>();
  /** Rejects where none of these answers must be believed. */
  trusted: Promise<void> = Promise.resolve();
  private readonly changed = new Map<string, Promise<ChangedRows | null>>();
  private readonly asked = new Set<string>();

  /** Whether somebody came for the table's changed rows already, and reads them. */
  isAsked(table: string): boolean {
    return this.asked.has(table);
  }

  addChangedRows(table: string, reading: Promise<ChangedRows | null>): void {
    this.changed.set(table, reading);
  }

  /** Once; where they were not read ahead, or that failed, they are read now. */
  async takeChangedRows(table: string, read: () => Promise<ChangedRows | null>): Promise<ChangedRows | null> {
    const ahead = this.changed.get(table);
    this.asked.add(table);
    this.changed.delete(table);
    return await (ahead === undefined ? read() : ahead.catch(read));
  }
}

// The rows of chosen records and of what depends on them. A table passes by once, unless a later one finds keys that rows of
// the first may refer to.
import type { RecordClosure } from "../../../domain/restore/record-closure.ts";
import type { BackupTable } from "../../../ports/restore-target.ts";
import { rowsInQuestion } from "./rows-in-question.ts";

/** Text of rows that is kept until they are staged; beyond it they pass by a second time. */
const maxKeptBytes = 64 * 1024 * 1024;

export class KeptRows {
  private bytes = 0;
  private readonly byTable = new Map<string, string[]>();

  get rows(): ReadonlyMap<string, readonly string[]> | null {
    return this.bytes > maxKeptBytes ? null : this.byTable;
  }

  /** Before its rows pass by again. */
  forget(table: string): void {
    for (const line of this.byTable.get(table) ?? []) this.bytes -= line.length;
    this.byTable.delete(table);
  }

  keep(table: string, line: string): void {
    this.bytes += line.length;
    if (this.bytes > maxKeptBytes) return this.byTable.clear();
    const lines = this.byTable.get(table) ?? [];
    lines.push(line);
    this.byTable.set(table, lines);
  }
}

export async function takeDependants(
  sources: readonly BackupTable[],
  closure: RecordClosure,
  kept: Pick<KeptRows, "forget" | "keep">,
): Promise<void> {
  const heard = new Map<string, number>();
  for (let isOver = false; !isOver;) {
    isOver = true;
    for (const { table, columns, readRows } of sources) {
      const knocks = closure.knocksOf(table);
      if (knocks === (heard.get(table) ?? 0)) continue;
      heard.set(table, knocks);
      isOver = false;
      kept.forget(table);
      for await (const { line, fields } of rowsInQuestion(readRows(), columns, closure.sought(table)))
        if (closure.takeDependants(table, fields)) kept.keep(table, line);
    }
  }
}

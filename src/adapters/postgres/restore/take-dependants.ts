// The rows of chosen records and of what depends on them. A table passes by once, unless a later one finds keys that rows of
// the first may refer to.
import type { RecordClosure } from "../../../domain/restore/record-closure.ts";
import type { BackupTable } from "../../../ports/restore-target.ts";
import { rowsInQuestion } from "./rows-in-question.ts";

/** Text of rows that is kept until they are staged; beyond it they pass by a second time. */
const maxKeptBytes = 64 * 1024 * 1024;

export interface KeptLines {
  linesOf(table: string, kind: "chosen" | "loose"): readonly string[];
}

export class KeptRows {
  private bytes = 0;
  private readonly chosen = new Map<string, string[]>();
  private readonly loose = new Map<string, string[]>();

  /** Null when they are too many. `loose`: that were only cut loose. */
  get rows(): KeptLines | null {
    return this.bytes > maxKeptBytes ? null : this;
  }

  linesOf(table: string, kind: "chosen" | "loose"): readonly string[] {
    return this[kind].get(table) ?? [];
  }

  /** Before its rows pass by again. */
  forget(table: string): void {
    for (const lines of [this.chosen, this.loose]) {
      for (const line of lines.get(table) ?? []) this.bytes -= line.length;
      lines.delete(table);
    }
  }

  keep(table: string, line: string, kind: "chosen" | "loose" = "chosen"): void {
    this.bytes += line.length;
    if (this.bytes > maxKeptBytes) {
      this.chosen.clear();
      this.loose.clear();
      return;
    }
    const lines = this[kind].get(table) ?? [];
    lines.push(line);
    this[kind].set(table, lines);
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
      for await (const { line, fields } of rowsInQuestion(readRows(), columns, closure.sought(table))) {
        const what = closure.takeDependants(table, fields);
        if (what !== null) kept.keep(table, line, what);
      }
    }
  }
}

// The later backup of a three-way merge, as it is staged beside the first: by its own schema, under the same numbers.
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { restoredNames } from "../../../domain/restore/row-sql.ts";
import { everything } from "../../../domain/restore-request.ts";
import type { TableName } from "../../../domain/schema.ts";
import type { BackupTable } from "../../../ports/restore-target.ts";
import { planBackup } from "./plan-backup.ts";
import { refuseBlockingDrift, type RestoreContext } from "./restore-context.ts";

export interface BaseTable {
  readonly table: RestoreTable;
  readonly source: BackupTable;
  /** Columns that both backups hold. */
  readonly names: readonly string[];
}

/** A table without primary key has nothing to merge by; one that the later backup does not hold is merged two-way. */
export function planMergeBase({ input, plan, liveSchema }: RestoreContext): ReadonlyMap<TableName, BaseTable> {
  const found = new Map<TableName, BaseTable>();
  const { mergeBase } = input;
  if (mergeBase === null) return found;
  const base = planBackup(input, liveSchema, { backup: mergeBase, selection: everything });
  const wanted = new Set(plan.tables.map(({ table }) => table));
  refuseBlockingDrift({ drift: base.drift.filter(({ table }) => wanted.has(table)) });
  for (const target of plan.tables) {
    const table = base.tables.find((each) => each.table === target.table);
    const source = mergeBase.tables.find((each) => each.table === target.table);
    if (table === undefined || source === undefined || target.key.length === 0) continue;
    const held = new Set(restoredNames(table));
    found.set(target.table, {
      table: { ...table, number: target.number },
      source,
      names: restoredNames(target).filter((name) => held.has(name)),
    });
  }
  return found;
}

// The tables that a rollback writes, as the restore left them in writing; nothing of the backup or the catalogue is needed.
import { BackupError } from "../../../domain/errors.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { orderTables } from "../../../domain/restore/table-order.ts";
import type { SchemaDescription, TableDescription } from "../../../domain/schema.ts";
import { hasColumns, recallPredicate, type RememberedPlan } from "./remembered-plan.ts";

/** Parents first. @throws SchemaDrifted */
export function planRollback(plan: RememberedPlan, liveSchema: SchemaDescription): RestoreTable[] {
  const live = new Map(liveSchema.tables.map((table) => [table.name, table]));
  const tables = plan.tables.map((remembered, number): RestoreTable => {
    const now = live.get(remembered.table);
    if (now === undefined || !hasColumns(remembered, now))
      throw new BackupError(
        "SchemaDrifted",
        `${remembered.table} has other columns than when the restore was applied; it can't be rolled back exactly. Nothing was touched.`,
        { table: remembered.table },
      );
    return {
      table: remembered.table,
      number,
      live: now,
      columns: now.columns.filter((column) => column.generated === null).map(asItIs),
      key: now.primaryKey,
      unfilled: [],
      predicate: recallPredicate(remembered),
      organizationColumn: null,
      dependsOn: remembered.dependsOn,
      drifted: false,
    };
  });
  return orderTables(tables, liveSchema);
}

const asItIs = ({ name, type, identity }: TableDescription["columns"][number]): RestoreTable["columns"][number] => ({
  name,
  backupName: name,
  backupType: type,
  liveType: type,
  checked: false,
  needsValue: false,
  identityAlways: identity === "always",
});

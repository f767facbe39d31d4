// What each written row was and what it is now, kept for a rollback. Rows of tables without a primary key are not among them:
// they are logged as they are written.
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { logInserts, logUndo } from "../../../domain/restore/write-sql.ts";
import { quoteLiteral } from "../../../domain/sql-quoting.ts";
import type { WriteContext } from "./write-context.ts";
import type { WritePart } from "./write-part.ts";

export async function keepUndoLog(
  { session, staging, restoreId }: WriteContext,
  parts: readonly WritePart[],
  liveRowsBefore: (table: RestoreTable) => number,
): Promise<void> {
  for (const { table, insertsAll } of parts) {
    if (table.key.length === 0) continue;
    const name = quoteLiteral(table.table);
    const statements = insertsAll
      ? logInserts(staging, table, restoreId, name, liveRowsBefore(table) === 0)
      : [logUndo(staging, table, restoreId, name)];
    for (const sql of statements) await session.execute(sql, `keeping the undo log of ${table.table}`);
  }
}

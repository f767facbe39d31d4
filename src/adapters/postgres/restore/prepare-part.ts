// Before a part is written: the values that its updates set (v), its rows as they were (u), how many there are of each kind,
// and which must step aside. Updates that change nothing are left out.
import { BackupError } from "../../../domain/errors.ts";
import { countMergeConflicts, insertMergedValues } from "../../../domain/restore/merge-sql.ts";
import { restoredNames } from "../../../domain/restore/row-sql.ts";
import { captureBefore, createValues, dropIdleUpdates, findChangedColumns } from "../../../domain/restore/write-sql.ts";
import { makeRoomForUpdates, makeRoomOfLeaving } from "./make-room.ts";
import type { WriteContext } from "./write-context.ts";
import type { WritePart } from "./write-part.ts";

/** Fills in what the part needs. */
export async function preparePart(context: WriteContext, part: WritePart): Promise<void> {
  const { session, staging } = context;
  const { table } = part;
  if (part.insertsAll) return; // nothing was there before, and nothing is set
  const doing = `preparing ${table.table}`;
  await session.execute(`ANALYZE ${staging.table("w", table.number)}`, doing);
  if (table.key.length > 0) await captureValues(context, part);
  await countOperations(context, part);
  if (table.key.length === 0) return;
  if (part.updated > 0) {
    const [row = {}] = await session.rows(findChangedColumns(staging, table), doing);
    part.changed = restoredNames(table).filter((_, index) => row[`c${index + 1}`] === "t");
    await makeRoomForUpdates(context, part);
  }
  if (part.deleted > 0 && part.inserted + part.updated > 0) await makeRoomOfLeaving(context, part);
}

async function captureValues({ session, staging }: WriteContext, part: WritePart): Promise<void> {
  const { table, merge } = part;
  const doing = `preparing ${table.table}`;
  await session.execute(createValues(staging, table), doing);
  const before = await session.execute(captureBefore(staging, table), doing);
  const w = staging.table("w", table.number);
  const expected = await session.count(`SELECT count(*) FROM ${w} WHERE operation <> 'insert'`, doing);
  if (before !== expected)
    throw new BackupError(
      "RestoreInvalid",
      `${expected - before} rows of ${table.table} are not the organization's; nothing was written.`,
      { table: table.table },
    );
  if (merge !== null) {
    await session.execute(insertMergedValues(staging, table, merge.baseNames), doing);
    if (merge.baseNames !== null)
      part.mergeConflicts = await session.count(countMergeConflicts(staging, table, merge.baseNames), doing);
    await session.execute(dropIdleUpdates(staging, table), doing);
  }
  await session.execute(
    `ANALYZE ${staging.table("v", table.number)}; ANALYZE ${staging.table("u", table.number)}`,
    doing,
  );
}

async function countOperations({ session, staging }: WriteContext, part: WritePart): Promise<void> {
  const { table } = part;
  const amount = table.key.length === 0 ? "sum(copies)" : "count(*)";
  const sql = `SELECT operation, ${amount}::text AS count FROM ${staging.table("w", table.number)} GROUP BY operation`;
  for (const row of await session.rows(sql, `preparing ${table.table}`)) {
    const count = Number(row["count"]);
    if (row["operation"] === "insert") part.inserted = count;
    else if (row["operation"] === "update") part.updated = count;
    else part.deleted = count;
  }
}

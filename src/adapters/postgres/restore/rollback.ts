// Rolls an applied restore back from its undo log, in one REPEATABLE READ transaction, by the same writer and proofs as the
// restore. A row that somebody changed since is never overwritten: it is refused by name, and with it the whole rollback,
// or only what hangs on it where a partial one was asked for.
import { BackupError } from "../../../domain/errors.ts";
import { countRows } from "../../../domain/restore/proof-sql.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { columnList, columnsOf, storedNames } from "../../../domain/restore/row-sql.ts";
import { orderTables } from "../../../domain/restore/table-order.ts";
import { Staging } from "../../../domain/restore/staging-names.ts";
import {
  countRefused,
  createBeforeRows,
  createUndoWork,
  createUndoWrites,
  createWholeRowUndo,
  deleteByHash,
  refuseChanged,
  refuseNeeded,
  refuseParentless,
  refuseTaken,
  settleRefused,
} from "../../../domain/restore/undo-sql.ts";
import { markTakenByValue } from "../../../domain/restore/unique-sql.ts";
import type { AppliedTable } from "../../../domain/restore-request.ts";
import type { SchemaDescription, TableName } from "../../../domain/schema.ts";
import { quoteLiteral, quoteTable } from "../../../domain/sql-quoting.ts";
import type { RestoreTarget, RollbackRefusal } from "../../../ports/restore-target.ts";
import { readSchema } from "../read-schema.ts";
import { readLiveFacts } from "./live-facts.ts";
import { mapRestoreError } from "./map-restore-error.ts";
import { proveWrites } from "./prove.ts";
import { hasColumns, recallPredicate, type RememberedPlan } from "./remembered-plan.ts";
import { ensureKeptSchema, searchPathOf, stagingOf } from "./restore-context.ts";
import type { RestoreSession } from "./restore-session.ts";
import { chooseMode, preparePart, writeParts, type WriteContext, type WritePart } from "./write-changes.ts";

type Answer = Awaited<ReturnType<RestoreTarget["rollback"]>>;

export async function rollBackRestore(
  url: string,
  session: RestoreSession,
  restoreId: string,
  { partial }: { readonly partial: boolean },
): Promise<Answer> {
  await ensureKeptSchema(session);
  const [row] = await session.rows(
    "SELECT status, plan, rollback_result FROM wedsync_restore.restores WHERE restore_id = $1",
    "looking for the restore",
    [restoreId],
  );
  if (row === undefined)
    // An apply may still be on its way, from a worker that was thought lost. It finds this mark, and writes nothing.
    await session.execute(
      "INSERT INTO wedsync_restore.restores (restore_id, status, applied_at) VALUES ($1, 'abandoned', NULL)",
      "giving the restore up",
      [restoreId],
    );
  if (row === undefined || row["status"] === "abandoned")
    throw new BackupError(
      "RestoreNotFound",
      "This restore was not applied to this database; there is nothing to roll back.",
    );
  if (row["status"] !== "applied") return JSON.parse(row["rollback_result"] ?? "null") as Answer;
  const plan = JSON.parse(row["plan"] ?? "null") as RememberedPlan;
  const liveSchema = await readSchema(session.client, plan.schemas).catch((error: unknown) => {
    throw mapRestoreError(error, "reading the live schema");
  });
  await session.setSearchPath(searchPathOf(liveSchema, plan.schemas));
  const tables = planTables(plan, liveSchema);
  try {
    await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ", "beginning");
    const answer = await undo({ url, session, restoreId, partial, tables, liveSchema });
    await session.execute("COMMIT", "committing");
    return answer;
  } catch (error) {
    await session.rollBack();
    throw error;
  }
}

function planTables(plan: RememberedPlan, liveSchema: SchemaDescription): RestoreTable[] {
  const live = new Map(liveSchema.tables.map((table) => [table.name, table]));
  const tables = plan.tables.map((remembered, number): RestoreTable => {
    const now = live.get(remembered.table);
    if (now === undefined || !hasColumns(remembered, now))
      throw new BackupError(
        "SchemaDrifted",
        `${remembered.table} has other columns than when the restore was applied; it can't be rolled back exactly. Nothing was touched.`,
        {
          table: remembered.table,
        },
      );
    const columns = now.columns
      .filter((column) => column.generated === null)
      .map(({ name, type, identity }) => ({
        name,
        backupName: name,
        backupType: type,
        liveType: type,
        checked: false,
        needsValue: false,
        identityAlways: identity === "always",
      }));
    return {
      table: remembered.table,
      number,
      live: now,
      columns,
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

interface Undo {
  readonly url: string;
  readonly session: RestoreSession;
  readonly restoreId: string;
  readonly partial: boolean;
  readonly tables: readonly RestoreTable[];
  readonly liveSchema: SchemaDescription;
}

async function undo({ url, session, restoreId, partial, tables, liveSchema }: Undo): Promise<Answer> {
  const staging = new Staging(stagingOf(restoreId).schema);
  const id = quoteLiteral(restoreId);
  const mode = await chooseMode(session);
  const facts = await readLiveFacts(
    session,
    tables.map((table) => table.table),
  );
  await session.execute(
    `DROP SCHEMA IF EXISTS ${staging.schema} CASCADE; CREATE SCHEMA ${staging.schema}`,
    "making working tables",
  );
  const context: WriteContext = { session, staging, liveSchema, facts, mode, restoreId: id };
  for (const table of tables) await spread(context, table, id);
  await refuse(context, tables);
  const refused = await listRefused(context, tables);
  if (refused.length > 0 && !partial) {
    const lines = refused.map(({ table, rows, reason }) => `${table}: ${rows} rows ${reason}`);
    throw new BackupError(
      "RollbackRefused",
      `Rolling back would lose what was done since; nothing was changed:\n- ${lines.join("\n- ")}\nA partial rollback undoes the rest.`,
      { refused: lines },
    );
  }
  const before = new Map<TableName, number>();
  const parts: WritePart[] = [];
  for (const table of tables) {
    before.set(table.table, await session.count(countRows(table), `counting ${table.table}`));
    const part: WritePart = {
      table,
      inserted: 0,
      updated: 0,
      deleted: 0,
      changed: [],
      parked: 0,
      insertsAll: false,
      merge: null,
      mergeConflicts: 0,
    };
    parts.push(part);
    if (table.key.length === 0) continue;
    await session.execute(createUndoWrites(staging, table), `planning ${table.table}`);
    await preparePart(context, part);
  }
  const keyed = parts.filter(
    ({ table, inserted, updated, deleted }) => table.key.length > 0 && inserted + updated + deleted > 0,
  );
  // They go before the parents that they need, and come back after them.
  const whole = parts.filter(({ table }) => table.key.length === 0);
  for (const part of whole)
    part.deleted = await session.execute(deleteByHash(staging, part.table), `writing ${part.table.table}`);
  await writeParts(context, keyed);
  for (const part of whole) await insertWholeRowsAgain(context, part, id);
  await proveWrites({
    context,
    parts: [...keyed, ...whole],
    url,
    liveRowsBefore: ({ table }) => before.get(table) ?? 0,
  });
  const answer: Answer = { tables: parts.map(describePart), refused };
  await session.execute(
    "UPDATE wedsync_restore.restores SET status = $2, rolled_back_at = now(), rollback_result = $3 WHERE restore_id = $1",
    "keeping the result",
    [restoreId, refused.length === 0 ? "rolled back" : "partly rolled back", JSON.stringify(answer)],
  );
  await session.execute(`DROP SCHEMA ${staging.schema} CASCADE`, "dropping working tables");
  return answer;
}

const describePart = ({ table, inserted, updated, deleted }: WritePart): AppliedTable => ({
  table: table.table,
  inserted,
  updated,
  deleted,
  unchanged: 0,
});

async function spread({ session, staging }: WriteContext, table: RestoreTable, restoreId: string): Promise<void> {
  const name = quoteLiteral(table.table);
  const doing = `reading the undo log of ${table.table}`;
  if (table.key.length === 0) {
    await session.execute(createWholeRowUndo(staging, table, restoreId, name), doing);
    return;
  }
  await session.execute(createUndoWork(staging, table, restoreId, name), doing);
  await session.execute(createBeforeRows(staging, table, restoreId, name), doing);
  await session.execute(
    `ANALYZE ${staging.table("d", table.number)}; ANALYZE ${staging.table("s", table.number)}`,
    doing,
  );
  for (const sql of refuseChanged(staging, table))
    await session.execute(sql, `looking for newer changes of ${table.table}`);
}

/** One refusal may bring others with it: a row that stays needs its parent, and keeps its unique values. */
async function refuse({ session, staging, facts }: WriteContext, tables: readonly RestoreTable[]): Promise<void> {
  const all = new Map(tables.map((table) => [table.table, table]));
  const keyed = new Map(tables.filter((table) => table.key.length > 0).map((table) => [table.table, table]));
  for (let grown = 1; grown > 0;) {
    grown = 0;
    for (const key of facts.foreignKeys) {
      const parent = keyed.get(key.referencedTable) ?? null;
      const child = keyed.get(key.rootTable) ?? null;
      const doing = `looking for rows that need ${key.referencedTable}`;
      if (parent !== null)
        grown += await session.execute(refuseNeeded(staging, parent, key, all.get(key.rootTable) ?? null), doing);
      if (child !== null) grown += await session.execute(refuseParentless(staging, child, key, parent), doing);
    }
    for (const table of keyed.values()) {
      const doing = `looking for taken values of ${table.table}`;
      await session.execute(settleRefused(staging, table), doing);
      for (const index of facts.uniqueIndexes.get(table.table) ?? [])
        await session.execute(
          markTakenByValue(staging, table, index, { writesChanged: true, movesChanged: true, removesLiveOnly: true }),
          doing,
        );
      grown += await session.execute(refuseTaken(staging, table), doing);
    }
  }
}

async function listRefused(
  { session, staging }: WriteContext,
  tables: readonly RestoreTable[],
): Promise<RollbackRefusal[]> {
  const refused: RollbackRefusal[] = [];
  for (const table of tables) {
    const doing = `listing what can't be undone in ${table.table}`;
    if (table.key.length > 0) {
      for (const row of await session.rows(countRefused(staging, table), doing))
        refused.push({
          table: table.table,
          rows: Number(row["count"]),
          reason: row["refused"] as RollbackRefusal["reason"],
        });
      continue;
    }
    const gone = await session.count(
      `SELECT coalesce(sum(wanted - copies), 0) FROM ${staging.table("w", table.number)}`,
      doing,
    );
    if (gone > 0) refused.push({ table: table.table, rows: gone, reason: "changed since" });
  }
  return refused;
}

async function insertWholeRowsAgain({ session }: WriteContext, part: WritePart, restoreId: string): Promise<void> {
  const { table } = part;
  const doing = `writing ${table.table}`;
  const names = storedNames(table);
  part.inserted = await session.execute(
    `INSERT INTO ${quoteTable(table.table)} (${columnList(names)}) OVERRIDING SYSTEM VALUE SELECT ${columnsOf("(r.x)", names)} FROM (SELECT n.before_row::${quoteTable(table.table)} AS x ` +
      `FROM wedsync_restore.undo AS n WHERE n.restore_id = ${restoreId} AND n.table_name = ${quoteLiteral(table.table)} AND n.operation = 'delete' OFFSET 0) AS r`,
    doing,
  );
}

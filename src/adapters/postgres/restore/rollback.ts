// Rolls an applied restore back from its undo log, in one REPEATABLE READ transaction, by the same writer and proofs as the
// restore. A row that somebody changed since is never overwritten: it is refused by name, and with it the whole rollback,
// or only what hangs on it where a partial one was asked for.
import { BackupError } from "../../../domain/errors.ts";
import { countRows } from "../../../domain/restore/proof-sql.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { columnList, columnsOf, storedNames } from "../../../domain/restore/row-sql.ts";
import {
  createBeforeRows,
  createUndoWork,
  createUndoWrites,
  createWholeRowUndo,
  deleteByHash,
} from "../../../domain/restore/undo-sql.ts";
import type { AppliedTable } from "../../../domain/restore-request.ts";
import type { SchemaDescription, TableName } from "../../../domain/schema.ts";
import { quoteLiteral, quoteTable } from "../../../domain/sql-quoting.ts";
import type { RestoreTarget, RollbackRefusal } from "../../../ports/restore-target.ts";
import { readSchema } from "../read-schema.ts";
import { readLiveFacts } from "./live-facts.ts";
import { mapRestoreError } from "./map-restore-error.ts";
import { planRollback } from "./plan-rollback.ts";
import { preparePart } from "./prepare-part.ts";
import { proveWrites } from "./prove.ts";
import { refuseUndo } from "./refuse-undo.ts";
import type { RememberedPlan } from "./remembered-plan.ts";
import { ensureKeptSchema, searchPathOf, stagingOf } from "./restore-context.ts";
import type { RestoreSession } from "./restore-session.ts";
import { chooseMode, type WriteContext } from "./write-context.ts";
import { startPart, type WritePart } from "./write-part.ts";
import { writeParts } from "./write-parts.ts";

type Answer = Awaited<ReturnType<RestoreTarget["rollback"]>>;

export async function rollBackRestore(
  url: string,
  session: RestoreSession,
  restoreId: string,
  { partial }: { readonly partial: boolean },
): Promise<Answer> {
  await ensureKeptSchema(session);
  const applied = await findRestore(session, restoreId);
  if ("answer" in applied) return applied.answer;
  const { plan } = applied;
  const liveSchema = await readSchema(session.client, plan.schemas).catch((error: unknown) => {
    throw mapRestoreError(error, "reading the live schema");
  });
  await session.setSearchPath(searchPathOf(liveSchema, plan.schemas));
  const tables = planRollback(plan, liveSchema);
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

/** @returns what to roll back by, or what an earlier rollback came to. @throws RestoreNotFound */
async function findRestore(
  session: RestoreSession,
  restoreId: string,
): Promise<{ readonly plan: RememberedPlan } | { readonly answer: Answer }> {
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
  if (row["status"] !== "applied") return { answer: JSON.parse(row["rollback_result"] ?? "null") as Answer };
  return { plan: JSON.parse(row["plan"] ?? "null") as RememberedPlan };
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
  const staging = stagingOf(restoreId);
  const mode = await chooseMode(session);
  const facts = await readLiveFacts(
    session,
    tables.map((table) => table.table),
  );
  await session.execute(
    `DROP SCHEMA IF EXISTS ${staging.schema} CASCADE; CREATE SCHEMA ${staging.schema}`,
    "making working tables",
  );
  const context: WriteContext = { session, staging, liveSchema, facts, mode, restoreId: quoteLiteral(restoreId) };
  for (const table of tables) await spreadLog(context, table);
  const refused = await refuseUndo(context, tables);
  if (refused.length > 0 && !partial) throw describeRefusal(refused);
  const rowsBefore = new Map<TableName, number>();
  const parts: WritePart[] = [];
  for (const table of tables) {
    rowsBefore.set(table.table, await session.count(countRows(table), `counting ${table.table}`));
    const part = startPart(table);
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
  for (const part of whole) await insertWholeRowsAgain(context, part);
  await proveWrites({
    context,
    parts: [...keyed, ...whole],
    url,
    liveRowsBefore: ({ table }) => rowsBefore.get(table) ?? 0,
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

/** The undo log's entries as working tables. */
async function spreadLog({ session, staging, restoreId }: WriteContext, table: RestoreTable): Promise<void> {
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
}

async function insertWholeRowsAgain({ session, restoreId }: WriteContext, part: WritePart): Promise<void> {
  const { table } = part;
  const names = storedNames(table);
  part.inserted = await session.execute(
    `INSERT INTO ${quoteTable(table.table)} (${columnList(names)}) OVERRIDING SYSTEM VALUE SELECT ${columnsOf("(r.x)", names)} FROM (SELECT n.before_row::${quoteTable(table.table)} AS x ` +
      `FROM wedsync_restore.undo AS n WHERE n.restore_id = ${restoreId} AND n.table_name = ${quoteLiteral(table.table)} AND n.operation = 'delete' OFFSET 0) AS r`,
    `writing ${table.table}`,
  );
}

function describeRefusal(refused: readonly RollbackRefusal[]): BackupError {
  const lines = refused.map(({ table, rows, reason }) => `${table}: ${rows} rows ${reason}`);
  return new BackupError(
    "RollbackRefused",
    `Rolling back would lose what was done since; nothing was changed:\n- ${lines.join("\n- ")}\nA partial rollback undoes the rest.`,
    { refused: lines },
  );
}

const describePart = ({ table, inserted, updated, deleted }: WritePart): AppliedTable => ({
  table: table.table,
  inserted,
  updated,
  deleted,
  unchanged: 0,
});

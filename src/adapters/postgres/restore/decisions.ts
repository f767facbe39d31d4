// Decisions on conflicts. They lie in a logged table: staging may be lost and made again, a decision may not.
//
// Asked is only where something live would be written over or removed. A missing row comes back unasked; who does not want
// it decides so, by its number, and it is a conflict like the others from then on.
import { BackupError } from "../../../domain/errors.ts";
import type { Decision } from "../../../domain/restore-request.ts";
import type { TableName } from "../../../domain/schema.ts";
import type { StoredDecision } from "../../../ports/restore-target.ts";
import { quoteLiteral } from "../../../domain/sql-quoting.ts";
import { stagingOf } from "./restore-context.ts";
import type { RestoreSession } from "./restore-session.ts";
import { readShownTables } from "./stage.ts";

export async function decide(
  session: RestoreSession,
  restoreId: string,
  decisions: readonly StoredDecision[],
): Promise<{ readonly undecided: number }> {
  const doing = "keeping decisions";
  try {
    // All of them or none: a missing row that was taken up without its decision would be asked for.
    await session.execute("BEGIN", doing);
    await store(session, restoreId, decisions);
    const undecided = await countUndecided(session, restoreId);
    await session.execute("COMMIT", doing);
    return { undecided };
  } catch (error) {
    await session.rollBack();
    throw error;
  }
}

async function store(session: RestoreSession, restoreId: string, decisions: readonly StoredDecision[]): Promise<void> {
  const doing = "keeping decisions";
  const numbers = decisions.map(({ number }) => number);
  const listUnknown = async (): Promise<number[]> => {
    const known = await session.rows(
      "SELECT number::text AS number FROM wedsync_restore.conflicts WHERE restore_id = $1 AND number = ANY ($2::bigint[])",
      doing,
      [restoreId, numbers],
    );
    const present = new Set(known.map((row) => Number(row["number"])));
    return numbers.filter((number) => !present.has(number));
  };
  const strangers = await listUnknown();
  if (strangers.length > 0) await takeUpMissing(session, restoreId, strangers);
  await assertConflicts(session, restoreId);
  const unknown = strangers.length === 0 ? [] : (await listUnknown()).slice(0, 20);
  if (unknown.length > 0)
    throw new BackupError(
      "DecisionInvalid",
      `No conflict of this restore has the number ${unknown.join(", ")}. Decided can be rows that are changed, missing or taken, and those that exist only live where they would be removed (live only: mirror).`,
      { numbers: unknown.map(String) },
    );
  await session.execute(
    "UPDATE wedsync_restore.conflicts AS c SET decision = n.decision FROM unnest($2::bigint[], $3::text[]) AS n(number, decision) WHERE c.restore_id = $1 AND c.number = n.number",
    doing,
    [restoreId, numbers, decisions.map(({ decision }) => decision)],
  );
}

async function takeUpMissing(session: RestoreSession, restoreId: string, numbers: readonly number[]): Promise<void> {
  const staging = stagingOf(restoreId);
  for (const { table, key, number } of await readShownTables(session, restoreId)) {
    const doing = `keeping decisions on ${table}`;
    const d = staging.table("d", number);
    if ((await session.value("SELECT to_regclass($1) IS NOT NULL", doing, [d])) !== "t") continue;
    if (key.length === 0) {
      // Rows without a key can't be told one from another.
      const sql = `SELECT min(number) FROM ${d} WHERE number = ANY ($1::bigint[])`;
      const unkeyed = await session.value(sql, doing, [numbers]);
      if (unkeyed === null) continue;
      throw new BackupError(
        "DecisionInvalid",
        `Row ${unkeyed} is one of ${table}, which has no primary key: its rows can't be decided one by one. Leave the table out by naming others, or restore it without prompt.`,
        { table },
      );
    }
    const keyText = key.map((_, index) => `d.k${index + 1}::text`).join(", ");
    await session.execute(
      `INSERT INTO wedsync_restore.conflicts (restore_id, number, table_name, key) SELECT $1, d.number, ${quoteLiteral(table)}, ARRAY[${keyText}]::text[] ` +
        `FROM ${d} AS d WHERE d.kind = 'missing' AND d.number = ANY ($2::bigint[]) ON CONFLICT DO NOTHING`,
      doing,
      [restoreId, numbers],
    );
  }
}

export async function decideRest(
  session: RestoreSession,
  restoreId: string,
  { table, decision }: { readonly table: TableName | null; readonly decision: Decision },
): Promise<{ readonly undecided: number }> {
  await assertConflicts(session, restoreId);
  // A name with a slip in it would decide nothing, and look as if it had.
  if (table !== null && !(await readShownTables(session, restoreId)).some((shown) => shown.table === table))
    throw new BackupError("DecisionInvalid", `No row of a table ${table} is part of this restore.`, { table });
  await session.execute(
    "UPDATE wedsync_restore.conflicts SET decision = $2 WHERE restore_id = $1 AND decision IS NULL AND ($3::text IS NULL OR table_name = $3)",
    "keeping decisions",
    [restoreId, decision, table],
  );
  return { undecided: await countUndecided(session, restoreId) };
}

async function assertConflicts(session: RestoreSession, restoreId: string): Promise<void> {
  const doing = "looking for conflicts";
  const made = await session.value("SELECT to_regclass('wedsync_restore.conflicts') IS NOT NULL", doing);
  const any =
    made !== "t"
      ? "f"
      : await session.value("SELECT EXISTS (SELECT 1 FROM wedsync_restore.conflicts WHERE restore_id = $1)", doing, [
          restoreId,
        ]);
  if (any !== "t") throw new BackupError("DecisionInvalid", "This restore has no conflicts to decide on.");
}

const countUndecided = async (session: RestoreSession, restoreId: string): Promise<number> =>
  Number(
    await session.value(
      "SELECT count(*) FROM wedsync_restore.conflicts WHERE restore_id = $1 AND decision IS NULL",
      "counting decisions",
      [restoreId],
    ),
  );

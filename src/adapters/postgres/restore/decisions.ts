// Decisions on conflicts. They lie in a logged table: staging may be lost and made again, a decision may not.
import { BackupError } from "../../../domain/errors.ts";
import type { Decision } from "../../../domain/restore-request.ts";
import type { TableName } from "../../../domain/schema.ts";
import type { StoredDecision } from "../../../ports/restore-target.ts";
import type { RestoreSession } from "./restore-session.ts";

export async function decide(
  session: RestoreSession,
  restoreId: string,
  decisions: readonly StoredDecision[],
): Promise<{ readonly undecided: number }> {
  const doing = "keeping decisions";
  await assertConflicts(session, restoreId);
  const numbers = decisions.map(({ number }) => number);
  const known = await session.rows(
    "SELECT number::text AS number FROM wedsync_restore.conflicts WHERE restore_id = $1 AND number = ANY ($2::bigint[])",
    doing,
    [restoreId, numbers],
  );
  const present = new Set(known.map((row) => Number(row["number"])));
  const unknown = numbers.filter((number) => !present.has(number));
  if (unknown.length > 0)
    throw new BackupError(
      "DecisionInvalid",
      `No conflict of this restore has the number ${unknown.slice(0, 20).join(", ")}.`,
      {
        numbers: unknown.slice(0, 20).map(String),
      },
    );
  await session.execute(
    "UPDATE wedsync_restore.conflicts AS c SET decision = n.decision FROM unnest($2::bigint[], $3::text[]) AS n(number, decision) WHERE c.restore_id = $1 AND c.number = n.number",
    doing,
    [restoreId, numbers, decisions.map(({ decision }) => decision)],
  );
  return { undecided: await countUndecided(session, restoreId) };
}

export async function decideRest(
  session: RestoreSession,
  restoreId: string,
  { table, decision }: { readonly table: TableName | null; readonly decision: Decision },
): Promise<{ readonly undecided: number }> {
  await assertConflicts(session, restoreId);
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

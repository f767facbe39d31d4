// Runs that stand in an organization's way by what the control tables say of them; and closing those that, as it turns out,
// were ended from outside (`temporal workflow terminate`): nobody is left to close them.
import { eraseWorkflowId } from "../domain/erase-run.ts";
import { rollbackWorkflowId } from "../domain/restore-run.ts";
import type { BlockingRun } from "../ports/restore-ledger.ts";
import type { ControlDatabase } from "./control-database.ts";
import { auditErasure } from "./erasures.ts";
import { leaseInterval } from "./lease.ts";

const restoreColumns = `r.id AS "id", r.organization_id AS "organizationId", r.workflow_id AS "workflowId", r.status = 'waiting' AS "isWaiting"`;

const blockingSql = `
  SELECT 'restore' AS kind, ${restoreColumns} FROM backup.backup_restores r
  WHERE r.organization_id = $1 AND r.id <> $2 AND r.status IN ('running', 'waiting')
  UNION ALL
  SELECT 'rollback', ${restoreColumns} FROM backup.backup_leases l JOIN backup.backup_restores r ON r.id = l.holder
  WHERE l.organization_id = $1 AND l.operation = 'rollback' AND r.id <> $2
  UNION ALL
  SELECT 'backup', j.id, j.organization_id, j.workflow_id, false FROM backup.backup_leases l JOIN backup.backup_jobs j ON j.id = l.holder
  WHERE l.organization_id = $1 AND j.id <> $2 AND j.status = 'running'
  UNION ALL
  SELECT 'erasure', e.id, e.organization_id, '', false FROM backup.backup_leases l JOIN backup.backup_erasures e ON e.id = l.holder
  WHERE l.organization_id = $1 AND l.operation = 'erase' AND e.id <> $2 AND e.status IN ('requested', 'refused')`;

export async function listBlockingRuns(
  database: ControlDatabase,
  { organizationId, exceptId }: { organizationId: string; exceptId: string },
): Promise<readonly BlockingRun[]> {
  const runs = await database.query<BlockingRun>(blockingSql, [organizationId, exceptId]);
  return runs.map((run) => {
    if (run.kind === "erasure") return { ...run, workflowId: eraseWorkflowId({ organizationId }) };
    if (run.kind === "rollback")
      return { ...run, workflowId: rollbackWorkflowId({ organizationId, restoreId: run.id }) };
    return run;
  });
}

/** Of these, what the control tables know: those that are over, and those that are said to go on. */
export async function sortRestores(
  database: ControlDatabase,
  ids: readonly string[],
): Promise<readonly { readonly id: string; readonly isOver: boolean; readonly run: BlockingRun }[]> {
  const rows = await database.query<BlockingRun & { isOver: boolean }>(
    `SELECT 'restore' AS kind, ${restoreColumns}, r.status NOT IN ('requested', 'running', 'waiting') AS "isOver"
     FROM backup.backup_restores r WHERE r.id = ANY ($1::uuid[])`,
    [ids],
  );
  return rows.map(({ isOver, ...run }) => ({ id: run.id, isOver, run }));
}

/** `rows`: what became of the rows, as the target database says. Only what still counts as going on is closed. */
export async function closeEndedRun(
  database: ControlDatabase,
  { kind, id, organizationId }: BlockingRun,
  rows: "applied" | "rolled back" | "never applied",
): Promise<void> {
  const released = `released AS (DELETE FROM backup.backup_leases WHERE holder = $1)`;
  if (kind === "backup") {
    await database.query(
      `WITH ${released} UPDATE backup.backup_jobs SET status = 'failed', finished_at = now(), error_code = 'Cancelled',
         error_message = 'The run was ended from outside.' WHERE id = $1 AND status = 'running'`,
      [id],
    );
    return;
  }
  if (kind === "erasure") {
    await closeEndedErasure(database, { id, organizationId });
    return;
  }
  const status = { applied: "applied", "rolled back": "rolled_back", "never applied": "failed" }[rows];
  const message = {
    applied: `The run was ended from outside after its rows were committed. They stay; its files may not have been put back. To take it back: wedsync-backup rollback ${id}`,
    "rolled back": "The run was ended from outside; its rows were rolled back.",
    "never applied": "The run was ended from outside; nothing of it remains.",
  }[rows];
  await database.query(
    `WITH ${released} UPDATE backup.backup_restores SET status = $2, waits_for = NULL, waits_until = NULL, finished_at = coalesce(finished_at, now()),
       error_code = 'Cancelled', error_message = $3, rolled_back_at = CASE WHEN $2 = 'rolled_back' THEN now() END
     WHERE id = $1 AND (status IN ('requested', 'running', 'waiting') OR (status = 'applied' AND $2 = 'rolled_back'))`,
    [id, status, message],
  );
}

/**
 * One that had not been ordered yet: nothing was erased. Where it was asked for again since its lease was taken, the next
 * run will find it as it was asked for, and only the lease goes.
 */
async function closeEndedErasure(
  database: ControlDatabase,
  { id, organizationId }: { id: string; organizationId: string },
): Promise<void> {
  const message = "The run was ended from outside; nothing was erased.";
  const [closed] = await database.query<{ actor: string }>(
    `WITH released AS (DELETE FROM backup.backup_leases WHERE holder = $1 RETURNING expires_at)
     UPDATE backup.backup_erasures SET status = 'refused', error_code = 'Cancelled', error_message = $2
     WHERE id = $1 AND status = 'requested' AND requested_at <= (SELECT expires_at FROM released) - interval '${leaseInterval}'
     RETURNING requested_by AS actor`,
    [id, message],
  );
  if (closed === undefined) return;
  const details = { code: "Cancelled", message };
  await auditErasure(database, { organizationId, actor: closed.actor, subject: id, outcome: "refused", details });
}

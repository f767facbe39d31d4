// Restores in the control tables, for those who order and look: the CLI and the facade. A restore's row is written before
// its workflow starts; the activities keep it up to date (restore-ledger.ts).
import { BackupError } from "../domain/errors.ts";
import type {
  AppliedTable,
  ConflictStrategy,
  DriftEntry,
  LiveOnly,
  RecordSelection,
  TableDifference,
} from "../domain/restore-request.ts";
import {
  restoreWorkflowId,
  type BackupChoice,
  type RestoredFiles,
  type RestoreOrder,
  type RollbackOutcome,
  type RuleFinding,
} from "../domain/restore-run.ts";
import type { ControlDatabase, Queryable } from "./control-database.ts";
import { resealColumn } from "./reseal-column.ts";

export interface RestoreRow {
  readonly id: string;
  readonly organizationId: string;
  readonly targetOrganizationId: string;
  readonly target: "source" | "other";
  readonly workflowId: string;
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly choice: BackupChoice;
  readonly dataSets: readonly string[] | null;
  readonly tables: readonly string[] | null;
  /** How many single records were asked for; 0 = all rows. */
  readonly records: number;
  readonly strategy: ConflictStrategy;
  readonly liveOnly: LiveOnly;
  readonly dryRun: boolean;
  readonly status:
    | "requested"
    | "running"
    | "waiting"
    | "applied"
    | "previewed"
    | "rolled_back"
    | "failed"
    | "cancelled";
  readonly waitsFor: string | null;
  readonly waitsUntil: string | null;
  readonly backupId: string | null;
  readonly backupSequence: number | null;
  readonly backupTakenAt: string | null;
  readonly preRestoreSequence: number | null;
  readonly drift: readonly DriftEntry[];
  readonly differences: readonly TableDifference[];
  readonly applied: readonly AppliedTable[];
  readonly files: RestoredFiles | null;
  readonly proofs: readonly string[];
  readonly rules: readonly RuleFinding[];
  readonly notes: readonly string[];
  readonly decidedByDefault: number;
  readonly lockedMs: number | null;
  readonly restoredRows: number | null;
  readonly restoreSeconds: number | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly rolledBackAt: string | null;
  readonly rolledBackBy: string | null;
  readonly rollback: RollbackOutcome | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

const time = (column: string, name: string): string => `to_json(${column}) #>> '{}' AS "${name}"`;
const columns = `id, organization_id AS "organizationId", target_organization_id AS "targetOrganizationId", target, workflow_id AS "workflowId",
  requested_by AS "requestedBy", ${time("requested_at", "requestedAt")}, choice, data_sets AS "dataSets", tables,
  coalesce(jsonb_array_length(records), 0) AS records, strategy, live_only AS "liveOnly", dry_run AS "dryRun", status, waits_for AS "waitsFor",
  ${time("waits_until", "waitsUntil")}, backup_id AS "backupId", backup_sequence AS "backupSequence", ${time("backup_taken_at", "backupTakenAt")},
  pre_restore_sequence AS "preRestoreSequence", drift, differences, applied, files, proofs, rules, notes, decided_by_default AS "decidedByDefault",
  locked_ms AS "lockedMs", restored_rows::float8 AS "restoredRows", restore_seconds AS "restoreSeconds", ${time("started_at", "startedAt")},
  ${time("finished_at", "finishedAt")}, ${time("rolled_back_at", "rolledBackAt")}, rolled_back_by AS "rolledBackBy", rollback,
  error_code AS "errorCode", error_message AS "errorMessage"`;

/** Safe to repeat with the same order. */
export async function createRestore(
  database: Queryable,
  order: RestoreOrder,
  secrets: { records: readonly RecordSelection[] | null; targetSealed: string | null },
): Promise<void> {
  await database.query(
    `INSERT INTO backup.backup_restores (id, organization_id, target_organization_id, target, target_sealed, workflow_id, requested_by, choice,
       data_sets, tables, records, strategy, live_only, dry_run)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (id) DO NOTHING`,
    [
      order.restoreId,
      order.organizationId,
      order.targetOrganizationId,
      order.target,
      secrets.targetSealed,
      restoreWorkflowId(order),
      order.requestedBy,
      JSON.stringify(order.choice),
      order.dataSets,
      order.tables,
      secrets.records === null ? null : JSON.stringify(secrets.records),
      order.strategy,
      order.liveOnly,
      order.dryRun,
    ],
  );
}

export async function listRestores(
  database: Queryable,
  filter: { organizationId?: string; after?: { at: string; id: string } | null; limit: number },
): Promise<RestoreRow[]> {
  return await database.query<RestoreRow>(
    `SELECT ${columns} FROM backup.backup_restores r
     WHERE ($1::text IS NULL OR organization_id = $1) AND ($2::timestamptz IS NULL OR (r.requested_at, r.id) < ($2, $3::uuid))
     ORDER BY r.requested_at DESC, r.id DESC LIMIT $4`,
    [filter.organizationId ?? null, filter.after?.at ?? null, filter.after?.id ?? null, filter.limit],
  );
}

/** @throws RestoreNotFound */
export async function getRestore(database: Queryable, id: string): Promise<RestoreRow> {
  const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id);
  const [row] = isId
    ? await database.query<RestoreRow>(`SELECT ${columns} FROM backup.backup_restores WHERE id = $1`, [id])
    : [];
  if (row === undefined)
    throw new BackupError("RestoreNotFound", `There is no restore ${id}. See: wedsync-backup restores`);
  return row;
}

/** Sealed URL of the restore's target; null = the source database. */
export async function readSealedTarget(database: ControlDatabase, id: string): Promise<string | null> {
  const [row] = await database.query<{ sealed: string | null }>(
    "SELECT target_sealed AS sealed FROM backup.backup_restores WHERE id = $1",
    [id],
  );
  return row?.sealed ?? null;
}

/** Seals every target anew, of restores that wait and of those that may be rolled back; see resealColumn. @returns how many */
export async function resealRestoreTargets(
  owner: Queryable,
  reseal: (sealed: string) => Promise<string | null>,
): Promise<number> {
  const place = { table: "backup.backup_restores", key: "id", column: "target_sealed" } as const;
  return (await resealColumn(owner, place, (_, sealed) => reseal(sealed))).length;
}

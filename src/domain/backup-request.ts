// What a backup run is asked to do, and what it answers. Both travel through workflow history: ids, counts and names of
// tables only.
import type { BackupStage, StageFigures } from "./progress.ts";

/** restore: the backup that is made right before a restore. */
export type BackupTrigger = "schedule" | "manual" | "cli" | "restore";

/**
 * none; integrity: every stored byte by HMAC; content: also decrypted, decompressed, counted and checksummed;
 * consistency: also foreign keys and keys inside the backup; restore: also restored into a database made for it.
 */
export type ProofLevel = "none" | "integrity" | "content" | "consistency" | "restore";

export const proofLevels: readonly ProofLevel[] = ["none", "integrity", "content", "consistency", "restore"];

export interface BackupRequest {
  readonly organizationId: string;
  readonly policyId: string | null;
  readonly trigger: BackupTrigger;
  /** Who asked, as an opaque name: "cli", a user id, a policy id. */
  readonly requestedBy: string;
  /** Null = all data sets. */
  readonly dataSets: readonly string[] | null;
  readonly proof: ProofLevel;
  /** The restore that this backup is made right before of, and under whose lease it works. */
  readonly restoreId?: string;
}

export interface BackupOutcome {
  readonly backupId: string;
  readonly organizationId: string;
  /** incomplete: the backup exists and restores, but files that rows name were missing at the source. */
  readonly status: "completed" | "incomplete";
  readonly sequence: number;
  readonly rows: number;
  readonly rawBytes: number;
  /** Bytes that this run added to the store, manifest included. */
  readonly storedBytes: number;
  /** Raw bytes that an earlier backup had stored already. */
  readonly reusedBytes: number;
  readonly tables: number;
  readonly files: number;
  readonly missingFiles: number;
  /** Rows that point at another organization's rows; the manifest names their tables. */
  readonly foreignRows: number;
  /** From the start of the run to the committed manifest. */
  readonly sealedAfterMs: number;
  readonly durationMs: number;
  readonly proof: ProofLevel;
  readonly restarts: number;
  readonly stages: Readonly<Partial<Record<BackupStage, StageFigures>>>;
}

/**
 * Fair between organizations, and whoever waits for a backup goes before the night's schedule. Activities inherit it.
 * Priority 1 is kept for restores.
 */
export const backupPriority = ({ organizationId, trigger }: Pick<BackupRequest, "organizationId" | "trigger">) => ({
  priorityKey: trigger === "schedule" ? 4 : 2,
  fairnessKey: organizationId.slice(0, 64),
});

export const backupWorkflowId = (organizationId: string): string => `backup/${organizationId}`;

/**
 * `control` takes workflows and short activities, `restores` the activities of restores and restore tests, `snapshots`
 * the activities that hold a snapshot for as long as a run lasts (so that they can't starve the others of slots); each
 * worker's bench has a queue of its own. So have notifications: a receiver that hangs must not hold a slot of a backup.
 */
export const taskQueues = {
  control: "backup",
  restores: "backup-restores",
  snapshots: "backup-snapshots",
  notifications: "backup-notifications",
  bench: (workerId: string) => `backup-bench.${workerId}`,
} as const;

// The activities, as types only: workflows import this file and nothing else of activities/, so that no Node type or
// library reaches the workflow bundle.
import type { BackupOutcome, BackupRequest, ProofLevel } from "../src/domain/backup-request.ts";
import type { ErrorCode } from "../src/domain/errors.ts";
import type { Prerequisite, SkippedRun } from "../src/domain/policy.ts";
import type { StageFigures } from "../src/domain/progress.ts";

/** One attempt of one backup on one worker's bench. */
export interface SessionKey {
  readonly backupId: string;
  readonly organizationId: string;
  /** 1, then one more each time the run starts again from a new snapshot. */
  readonly attempt: number;
}

export interface Authorization {
  /** Grows with each lease of the organization: an older holder can't seal any more. */
  readonly fencingToken: number;
}

export interface SnapshotReady {
  readonly attempt: number;
  /** Task queue of the worker that holds the snapshot and the bench. */
  readonly benchQueue: string;
  readonly takenAt: string;
  readonly tables: number;
  /** From the planner's statistics; for percent and for how far to read ahead. */
  readonly estimatedBytes: number;
  /** There is a backup of this database to build on: most likely little has changed. */
  readonly incremental: boolean;
  readonly plan: StageFigures;
  readonly snapshot: StageFigures;
}

export interface BatchKey extends SessionKey {
  /** Counts from 1. */
  readonly batch: number;
}

export interface CollectedBatch {
  readonly rows: number;
  readonly rawBytes: number;
  /** Raw bytes of segments that are stored already and go no further. */
  readonly reusedBytes: number;
  readonly newSegments: number;
  readonly tablesDone: number;
  readonly filesDone: number;
  readonly filesTotal: number;
  /** Nothing is left to collect after this batch. */
  readonly last: boolean;
  readonly collect: StageFigures;
  /** Files are read by the same activity; their share is kept apart. */
  readonly media: StageFigures;
}

export interface StoredPack {
  readonly packName: string;
  readonly packBytes: number;
}

export interface EncryptedBatch {
  /** Null where everything that was collected is stored already. */
  readonly pack: StoredPack | null;
  readonly figures: StageFigures;
}

export interface UploadedBatch extends StoredPack {
  readonly figures: StageFigures;
}

export interface SealedBackup {
  readonly sequence: number;
  readonly manifestHash: string;
  readonly manifestBytes: number;
  readonly missingFiles: number;
  /** Rows that point at another organization's rows. */
  readonly foreignRows: number;
  readonly figures: StageFigures;
}

export interface Verification {
  readonly problems: number;
  readonly figures: StageFigures;
}

export interface FailedBackup {
  readonly key: SessionKey;
  readonly code: ErrorCode;
  readonly message: string;
  readonly stages: BackupOutcome["stages"];
  /** Set when the manifest was written before the run failed: then the backup exists. */
  readonly sealed: { readonly sequence: number; readonly manifestHash: string } | null;
}

/** Short; run beside the workflow, without a task of their own. */
export interface ControlActivities {
  /** Takes the organization's lease and opens the job row. Idempotent by backup id. */
  authorizeBackup(input: { key: SessionKey; request: BackupRequest; workflowId: string }): Promise<Authorization>;
  /** Closes the job row with its figures and gives the lease back. */
  reportBackup(input: { outcome: BackupOutcome; manifestHash: string; fencingToken: number }): Promise<void>;
  /** Closes the job row under the failure's name and gives the lease back. Safe for a job that was never opened. */
  closeFailedBackup(input: FailedBackup): Promise<void>;
  /** What a policy waits for, and how it stands. */
  readPrerequisites(input: { policyId: string }): Promise<readonly Prerequisite[]>;
  /** Into the audit log: the policy's time had come, and no backup was begun. */
  recordSkippedRun(input: SkippedRun): Promise<void>;
  /** What a policy asks for now; null when it is gone or paused. */
  readPolicy(input: { policyId: string }): Promise<Pick<BackupRequest, "dataSets" | "proof"> | null>;
}

/** Any worker can do these. */
export interface QueuedActivities {
  /** Reads back what a manifest names and proves it at the asked level. */
  verifyBackup(input: { key: SessionKey; sequence: number; proof: ProofLevel }): Promise<Verification>;
  /** The manifest of this run, when it was written and only the answer got lost. */
  findSealedBackup(input: { key: SessionKey }): Promise<SealedBackup | null>;
  /** Compensation: removes those of the packs that no manifest names. Does nothing without the lease. */
  rollBackUploads(input: { key: SessionKey; fencingToken: number; packNames: readonly string[] }): Promise<void>;
}

export interface SnapshotActivities {
  /** Holds the snapshot and the session until the backup is sealed, cancelled or lost; signals `snapshotReady`. */
  holdSnapshot(input: { key: SessionKey; request: BackupRequest; uploadedPacks: readonly StoredPack[] }): Promise<void>;
}

/**
 * On the holder's own queue: the data between these stages stays in that worker's memory. The stages of a batch may be
 * asked for together; each waits on the bench for the one before it.
 */
export interface BenchActivities {
  collectBatch(key: BatchKey): Promise<CollectedBatch>;
  compressBatch(key: BatchKey): Promise<StageFigures>;
  /** Names the pack before it is uploaded, so that it can be removed whatever becomes of the upload. */
  encryptBatch(key: BatchKey): Promise<EncryptedBatch>;
  uploadBatch(key: BatchKey): Promise<UploadedBatch>;
  /** Writes the manifest, once and create-only: from here the backup exists. Ends the hold on the snapshot. */
  sealBackup(input: { key: SessionKey; fencingToken: number }): Promise<SealedBackup>;
}

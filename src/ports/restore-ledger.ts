// What a restore, and its rollback, write into and ask of the control tables.
import type {
  BackupChoice,
  ChosenBackup,
  RestoreOutcome,
  RestoreWait,
  RollbackOutcome,
} from "../domain/restore-run.ts";
import type { DriftEntry, RecordSelection, TableDifference } from "../domain/restore-request.ts";
import type { ErrorCode } from "../domain/errors.ts";

export interface RestoreLease {
  readonly restoreId: string;
  readonly organizationId: string;
  readonly fencingToken: number;
}

/** What an order leaves out, because workflow history is read by many. */
export interface RestoreSecrets {
  /** Null = every row of the tables. */
  readonly records: readonly RecordSelection[] | null;
  /** Sealed URL of the target; null = the source database. */
  readonly targetSealed: string | null;
}

export interface RestoredFile {
  readonly path: string;
  readonly change: "created" | "replaced";
  readonly sha256: string;
}

/** A restore as its row says, for the steps that come after it. */
export interface AppliedRestore {
  readonly restoreId: string;
  readonly organizationId: string;
  readonly status: string;
  readonly target: "source" | "other";
  readonly preRestoreSequence: number | null;
  readonly choice: BackupChoice;
}

/** An operation that, by the control tables, stands in the way of another one. */
export interface BlockingRun {
  readonly kind: "backup" | "restore" | "rollback" | "erasure";
  /** The job's, the restore's or the erasure's. */
  readonly id: string;
  readonly organizationId: string;
  readonly workflowId: string;
  /** A restore that waits for people: it has written nothing yet. */
  readonly isWaiting: boolean;
}

export interface RestoreLedger {
  /**
   * Takes the organization's lease and marks the restore as running; asking again gives the same token.
   * @throws OrganizationBusy while another operation holds the lease, or another restore waits for people.
   */
  openRestore(input: {
    restoreId: string;
    organizationId: string;
    operation: "restore" | "rollback";
  }): Promise<{ fencingToken: number }>;
  listBlockingRuns(key: { organizationId: string; exceptId: string }): Promise<readonly BlockingRun[]>;
  /** Of these restores, those that are known. */
  sortRestores(
    ids: readonly string[],
  ): Promise<readonly { readonly id: string; readonly isOver: boolean; readonly run: BlockingRun }[]>;
  /** Closes a run that was ended from outside, and gives its lease back. `rows`: what became of a restore's rows. */
  closeEndedRun(run: BlockingRun, rows: "applied" | "rolled back" | "never applied"): Promise<void>;
  /** @throws OrganizationBusy when the lease is not this token's any more. Also extends it. */
  assertLease(lease: RestoreLease): Promise<void>;
  /** @throws RestoreNotFound */
  readSecrets(restoreId: string): Promise<RestoreSecrets>;
  /** @throws RestoreNotFound */
  readRestore(restoreId: string): Promise<AppliedRestore>;
  /** Keeps what was found, and gives the lease back while people think: backups go on meanwhile. */
  parkRestore(input: {
    lease: RestoreLease;
    wait: RestoreWait;
    backup: ChosenBackup;
    drift: readonly DriftEntry[];
    differences: readonly TableDifference[];
  }): Promise<void>;
  /** The backup that keeps what the restore is about to replace. Before the first file is written. */
  recordProtection(
    restore: Pick<RestoreLease, "restoreId" | "organizationId">,
    preRestoreSequence: number | null,
  ): Promise<void>;
  recordFiles(
    restore: Pick<RestoreLease, "restoreId" | "organizationId">,
    files: readonly RestoredFile[],
  ): Promise<void>;
  listFiles(restoreId: string): Promise<readonly RestoredFile[]>;
  /** Closes the row and gives the lease back. `restoreSeconds` is without the time that people took. */
  completeRestore(input: {
    outcome: RestoreOutcome;
    fencingToken: number | null;
    restoreSeconds: number | null;
  }): Promise<void>;
  /** Safe to call for a restore that was never opened. */
  failRestore(input: {
    restoreId: string;
    organizationId: string;
    fencingToken: number | null;
    /** rolled_back: applied, failed after that, and undone. applied: could not be undone, because rows changed since. */
    status: "failed" | "cancelled" | "rolled_back" | "applied";
    code: ErrorCode;
    message: string;
    backup: ChosenBackup | null;
  }): Promise<void>;
  /** Marks an applied restore as rolled back, and gives the lease back. */
  completeRollback(input: { outcome: RollbackOutcome; requestedBy: string; fencingToken: number }): Promise<void>;
  /** In the audit log alone: the restore's row stays as it was. */
  recordRefusedRollback(rollback: {
    restoreId: string;
    organizationId: string;
    requestedBy: string;
    code: ErrorCode;
  }): Promise<void>;
  /** Gives a rollback's lease back; the restore stays applied. */
  releaseLease(lease: RestoreLease): Promise<void>;
}

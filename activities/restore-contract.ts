// The activities of restores and rollbacks, as types only; see contract.ts. No row's value and no file's path passes here.
import type { AppliedTable, Decision, DriftEntry, TableDifference } from "../src/domain/restore-request.ts";
import type {
  BackupChoice,
  ChosenBackup,
  RestoredFiles,
  RestoreOrder,
  RestoreOutcome,
  RestoreWait,
  RollbackOutcome,
  RuleFinding,
} from "../src/domain/restore-run.ts";
import type { ErrorCode } from "../src/domain/errors.ts";

export interface RestoreKey {
  readonly restoreId: string;
  readonly organizationId: string;
}

export interface RestoreStep {
  readonly order: RestoreOrder;
  readonly backup: ChosenBackup;
}

export interface NumberedDecision {
  readonly number: number;
  readonly decision: Decision;
}

export interface ParkedRestore {
  readonly lease: RestoreKey & { readonly fencingToken: number };
  readonly wait: RestoreWait;
  readonly backup: ChosenBackup;
  readonly drift: readonly DriftEntry[];
  readonly differences: readonly TableDifference[];
}

export type AppliedRows =
  | {
      readonly applied: true;
      readonly tables: readonly AppliedTable[];
      readonly lockedMs: number;
      readonly proofs: readonly string[];
    }
  /** So many decided rows changed since they were shown; nothing was written. */
  | { readonly applied: false; readonly askAgain: number };

/** A rollback that left the restore as it was. */
export interface RefusedRollback extends RestoreKey {
  readonly requestedBy: string;
  readonly code: ErrorCode;
}

export interface UndoneRestore {
  /** False: it had never been applied, and there is nothing to undo. */
  readonly wasApplied: boolean;
  readonly tables: RollbackOutcome["tables"];
  readonly refused: RollbackOutcome["refused"];
}

export interface FailedRestore extends RestoreKey {
  readonly fencingToken: number | null;
  readonly status: "failed" | "cancelled" | "rolled_back" | "applied";
  readonly code: ErrorCode;
  readonly message: string;
  readonly backup: ChosenBackup | null;
}

/** Short; run beside the workflow, without a task of their own. */
export interface RestoreControlActivities {
  /** Takes the organization's lease. @throws OrganizationBusy */
  openRestore(input: RestoreKey & { operation: "restore" | "rollback" }): Promise<{ fencingToken: number }>;
  /** Keeps what was found and gives the lease back, while people think. */
  parkRestore(input: ParkedRestore): Promise<void>;
  reportRestore(input: {
    outcome: RestoreOutcome;
    fencingToken: number | null;
    restoreSeconds: number | null;
  }): Promise<void>;
  /** Into the audit log: the restore stays as it was. */
  recordRefusedRollback(input: RefusedRollback): Promise<void>;
  reportRollback(input: { outcome: RollbackOutcome; requestedBy: string; fencingToken: number }): Promise<void>;
}

export interface RestoreActivities {
  /** @throws BackupNotFound */
  chooseBackup(input: {
    organizationId: string;
    choice: BackupChoice;
    mergeBase: BackupChoice | null;
  }): Promise<ChosenBackup>;
  /**
   * Loads the backup's rows beside the live ones; those of a copy under another organization id with new keys.
   * @throws SchemaDrifted, CloneRefused before anything is made.
   */
  stageRestore(step: RestoreStep): Promise<{ drift: readonly DriftEntry[]; notes?: readonly string[] }>;
  compareRestore(step: RestoreStep): Promise<readonly TableDifference[]>;
  storeDecisions(input: {
    order: RestoreOrder;
    decisions: readonly NumberedDecision[];
  }): Promise<{ undecided: number }>;
  storeRestDecision(input: {
    order: RestoreOrder;
    table: string | null;
    decision: Decision;
  }): Promise<{ undecided: number }>;
  /** One transaction; repeating it after it committed gives its result again. */
  applyRestore(input: RestoreStep & { fencingToken: number; defaultDecision: Decision | null }): Promise<AppliedRows>;
  /** Puts back the files that staged rows name, where they are missing or of another content. */
  putBackFiles(input: RestoreStep & { preRestoreSequence: number | null }): Promise<RestoredFiles>;
  /** What the catalogue's rules say of the restored organization. */
  checkRestored(step: RestoreStep): Promise<readonly RuleFinding[]>;
  /** Undoes rows. @throws RollbackRefused naming the rows that changed since, unless `partial`. */
  undoRestore(input: RestoreKey & { partial: boolean }): Promise<UndoneRestore>;
  /** Undoes files; those that changed since are kept. */
  undoFiles(input: RestoreKey): Promise<RollbackOutcome["files"]>;
  /** Also waits for an apply that is still running; afterwards none can begin. */
  dropStaging(input: RestoreKey): Promise<void>;
  /** Compensation's end: closes the row, gives the lease back. */
  failRestore(input: FailedRestore): Promise<void>;
  releaseRestore(input: RestoreKey & { fencingToken: number }): Promise<void>;
}

// One restore on its way through Temporal: what is asked of it, how far it is, and what came out. All of it lies in
// workflow history, so: ids, counts, moments and names of tables; never a row's value, a key or a connection string.
import type {
  AppliedTable,
  ConflictStrategy,
  Decision,
  DriftEntry,
  LeftOverIds,
  LiveOnly,
  TableDifference,
} from "./restore-request.ts";
import type { TableName } from "./schema.ts";

export type BackupChoice =
  | { readonly by: "latest" }
  | { readonly by: "sequence"; readonly sequence: number }
  | { readonly by: "id"; readonly backupId: string }
  /** The newest backup whose moment is at or before this one. ISO 8601. */
  | { readonly by: "time"; readonly at: string };

/**
 * The order for one restore. Its row in the control tables is written first (src/control/restores.ts) and carries what
 * must not be in history: the keys of single records, and the sealed URL of another database.
 */
export interface RestoreOrder {
  readonly restoreId: string;
  readonly organizationId: string;
  /** Another id: a clone; every key is mapped. */
  readonly targetOrganizationId: string;
  /** "other": the database whose URL lies sealed in the control tables. */
  readonly target: "source" | "other";
  readonly choice: BackupChoice;
  readonly dataSets: readonly string[] | null;
  readonly tables: readonly TableName[] | null;
  /** How many single records are asked for; 0 = all rows of the tables. */
  readonly records: number;
  readonly strategy: ConflictStrategy;
  readonly liveOnly: LiveOnly;
  /** "schema.table.old" → "new". */
  readonly renamedColumns: Readonly<Record<string, string>>;
  /** For merge: a backup of the state right after the damage. Null = two-way. */
  readonly mergeBase: BackupChoice | null;
  readonly dryRun: boolean;
  /** "ask": nothing is applied before somebody approves what the comparison found. */
  readonly approval: "given" | "ask";
  /** For prompt: what holds for rows that nobody decided by the deadline. Null = then nothing is restored. */
  readonly defaultDecision: Decision | null;
  /** How long it waits for approval and decisions. */
  readonly waitMs: number;
  /** How long a dry run's rows can be looked at. */
  readonly previewMs: number;
  readonly preRestoreBackup: boolean;
  readonly leftOverIds: LeftOverIds;
  /** An opaque name: "cli", a user's id. */
  readonly requestedBy: string;
}

export const restoreDefaults = {
  choice: { by: "latest" },
  dataSets: null,
  tables: null,
  records: 0,
  strategy: "overwrite",
  liveOnly: "keep",
  renamedColumns: {},
  mergeBase: null,
  target: "source",
  dryRun: false,
  approval: "ask",
  defaultDecision: null,
  waitMs: 72 * 60 * 60 * 1000,
  previewMs: 15 * 60 * 1000,
  preRestoreBackup: true,
  leftOverIds: "stop",
} as const satisfies Partial<RestoreOrder>;

export interface ChosenBackup {
  readonly sequence: number;
  readonly backupId: string;
  /** The moment that it shows. */
  readonly takenAt: string;
  readonly complete: boolean;
  /** Where organizations themselves are; tells by the comparison whether this one exists. */
  readonly rootTable: string;
  readonly rows: number;
  readonly rawBytes: number;
  /** For a three-way merge. */
  readonly mergeBaseSequence: number | null;
}

export const restoreStages = [
  "authorize",
  "choose",
  "stage",
  "compare",
  "decide",
  "protect",
  "apply",
  "files",
  "validate",
  "report",
] as const;
export type RestoreStage = (typeof restoreStages)[number];

export interface RestoreWait {
  readonly for: "approval" | "decisions" | "a look at the dry run";
  /** ISO 8601 UTC. */
  readonly until: string;
  /** Conflicts that nobody decided yet. */
  readonly undecided: number;
}

export interface RestoreProgress {
  readonly stage: RestoreStage;
  readonly waiting: RestoreWait | null;
  readonly isApproved: boolean;
  readonly backup: ChosenBackup | null;
  readonly drift: readonly DriftEntry[];
  readonly differences: readonly TableDifference[] | null;
  /** Decided rows that changed before they were applied, and are asked again. */
  readonly askedAgain: number;
}

/** Files that restored rows name. */
export interface RestoredFiles {
  readonly created: number;
  readonly replaced: number;
  readonly same: number;
  /** Live files of another content that were left: nothing keeps that content, or another organization names them, too. */
  readonly kept: number;
  /** Named by rows, but not in the backup. */
  readonly notInBackup: number;
}

/** What one of the catalogue's rules found among an organization's rows: how many offend. */
export interface RuleFinding {
  readonly rule: string;
  readonly title: string;
  readonly offending: number;
}

export interface RestoreOutcome {
  readonly restoreId: string;
  readonly organizationId: string;
  readonly targetOrganizationId: string;
  readonly status: "applied" | "previewed";
  readonly backup: ChosenBackup;
  readonly drift: readonly DriftEntry[];
  readonly differences: readonly TableDifference[];
  readonly applied: readonly AppliedTable[];
  readonly files: RestoredFiles | null;
  /** Sequence of the backup that was made right before; null when there was nothing to back up, or it was not wanted. */
  readonly preRestoreSequence: number | null;
  /** How many conflicts the default decided, because nobody did in time. */
  readonly decidedByDefault: number;
  readonly lockedMs: number;
  readonly proofs: readonly string[];
  readonly rules: readonly RuleFinding[];
  readonly notes: readonly string[];
  readonly durationMs: number;
}

export interface RollbackOrder {
  readonly restoreId: string;
  readonly organizationId: string;
  /** Undo what can be undone, and list the rest. */
  readonly partial: boolean;
  readonly requestedBy: string;
}

export interface RollbackOutcome {
  readonly restoreId: string;
  readonly organizationId: string;
  readonly tables: readonly AppliedTable[];
  readonly refused: readonly { readonly table: TableName; readonly rows: number; readonly reason: string }[];
  readonly files: { readonly removed: number; readonly putBack: number; readonly kept: number };
  readonly durationMs: number;
}

export const restoreWorkflowId = (order: { organizationId: string; restoreId: string }): string =>
  `restore/${order.organizationId}/${order.restoreId}`;
export const rollbackWorkflowId = (order: { organizationId: string; restoreId: string }): string =>
  `rollback/${order.organizationId}/${order.restoreId}`;

export const decisions: readonly Decision[] = ["take backup", "keep live", "merge"];
/** Decisions in one update; each update is a few events of history. */
export const maxDecisionsPerUpdate = 500;
/** Temporal's limit is 2,000 updates of a run. */
export const maxDecisionUpdates = 1_500;

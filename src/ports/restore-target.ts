// The live, shared Postgres that an organization is restored into, and the proof that nobody else was touched.
//
// A restore has its own schema there, wedsync_restore_<id>, for staging: made by stage(), gone after dropStaging().
// The schema wedsync_restore (made once) keeps what must outlive a restore: which restores were applied, and their undo
// log, written in the same transaction as the rows. All methods are safe to repeat with the same restore id.
import type {
  AppliedTable,
  ConflictStrategy,
  Decision,
  DriftEntry,
  LeftOverIds,
  LiveOnly,
  RestoreSelection,
  TableDifference,
} from "../domain/restore-request.ts";
import type { Catalogue, MediaColumn } from "../domain/catalogue.ts";
import type { SchemaDescription, TableName } from "../domain/schema.ts";

/** A table of the backup: what the manifest says of it, and its rows as COPY text. */
export interface BackupTable {
  readonly table: TableName;
  readonly columns: readonly string[];
  readonly keyColumnCount: number;
  readonly rows: number;
  readonly rawBytes: number;
  /** Sum modulo 2^64 of XXH64 of each row line, as in the manifest. */
  readonly checksum: string;
  readonly readRows: () => AsyncIterable<Buffer>;
}

export interface BackupContent {
  readonly schema: SchemaDescription;
  readonly tables: readonly BackupTable[];
}

export interface RestorePlanInput {
  readonly restoreId: string;
  readonly organizationId: string;
  /** Another id than organizationId: every key is mapped, the organization is made new. */
  readonly targetOrganizationId: string;
  readonly catalogue: Catalogue;
  readonly backup: BackupContent;
  readonly selection: RestoreSelection;
  readonly strategy: ConflictStrategy;
  readonly liveOnly: LiveOnly;
  /** Columns that were renamed since, declared by an admin or the catalogue: "schema.table.old" → "new". */
  readonly renamedColumns: Readonly<Record<string, string>>;
  /** A later backup, for a three-way merge: the state right after the damage. Null = two-way. */
  readonly mergeBase: BackupContent | null;
  /** Of a copy under another id: old ids that are still among its values. */
  readonly leftOverIds: LeftOverIds;
}

export interface StagedRestore {
  readonly drift: readonly DriftEntry[];
  readonly tables: readonly { readonly table: TableName; readonly rows: number }[];
  /** For people. */
  readonly notes: readonly string[];
}

/** A file that a staged row names. */
export interface StagedPath {
  readonly path: string;
  /** Its name in the backup; another one only in a copy under another organization id. */
  readonly source: string;
  /** A row of another organization names it, too: what is there live may be theirs. */
  readonly isShared?: true;
}

/** One row of the difference, for people. Values as text, masked columns masked. Never goes through workflow history. */
export interface DifferenceRow {
  /** The row's number within this restore; stable for its life. */
  readonly number: number;
  readonly table: TableName;
  readonly kind: "missing" | "changed" | "live only" | "taken";
  /** By column. A table without primary key has only { copies }: how many equal rows are meant. */
  readonly key: Readonly<Record<string, string>>;
  /** Null where there is no such row. */
  readonly backup: Readonly<Record<string, string | null>> | null;
  readonly live: Readonly<Record<string, string | null>> | null;
  /** Names of the columns that differ. */
  readonly differs: readonly string[];
}

export interface DifferencePage {
  readonly rows: readonly DifferenceRow[];
  /** Pass as `after` for the next page; null at the end. */
  readonly next: number | null;
}

export interface StoredDecision {
  readonly number: number;
  readonly decision: Decision;
}

export interface ApplyOptions {
  readonly strategy: ConflictStrategy;
  readonly liveOnly: LiveOnly;
  /** For strategy prompt: what holds for changed rows that nobody decided. Null = such rows make the apply ask again. */
  readonly defaultDecision: Decision | null;
}

export type ApplyResult =
  | {
      readonly applied: true;
      readonly tables: readonly AppliedTable[];
      /** Longest time that row locks were held, from the first write to the commit. */
      readonly lockedMs: number;
      /** What validation proved before the commit, for people: "foreign keys of 7 tables", "row checksums of 19 tables". */
      readonly proofs: readonly string[];
    }
  /** Rows changed after they were shown and decided on: they are asked again, under the same numbers. Nothing was written. */
  | { readonly applied: false; readonly askAgain: readonly number[] };

export interface RollbackRefusal {
  readonly table: TableName;
  readonly rows: number;
  readonly reason: "changed since" | "removed since" | "needed by newer rows";
}

/** at work: somebody's step of this restore is still going on, and nothing was done. */
export type GivenUp = "applied" | "rolled back" | "never applied" | "at work";

export interface RestoreTarget {
  /** Host, port and database without credentials. */
  readonly description: string;

  /** The drift alone, from descriptions; reads no rows and writes nothing. */
  checkDrift(input: RestorePlanInput): Promise<readonly DriftEntry[]>;
  /**
   * Makes the staging schema and loads the selected rows. @throws SchemaDrifted (naming every blocking entry),
   * CloneRefused (naming every column), RestoreTargetUnreachable, RestoreTargetRefused (also a database that can only be read).
   */
  stage(
    input: RestorePlanInput,
    onProgress: (progress: { table: TableName; rows: number }) => void,
  ): Promise<StagedRestore>;
  /** Compares staging with live; writes only to staging. */
  diff(input: RestorePlanInput): Promise<readonly TableDifference[]>;
  readDifferences(
    restoreId: string,
    page: {
      readonly table: TableName | null;
      readonly kind: DifferenceRow["kind"] | null;
      /** Only conflicts that still wait for a decision, whatever their kind is by now. */
      readonly undecidedOnly?: boolean;
      readonly after: number;
      readonly limit: number;
    },
  ): Promise<DifferencePage>;
  /** Keeps decisions with the hash of the live row that was shown. @throws DecisionInvalid for a number that is no conflict. */
  decide(restoreId: string, decisions: readonly StoredDecision[]): Promise<{ readonly undecided: number }>;
  decideRest(
    restoreId: string,
    rest: { readonly table: TableName | null; readonly decision: Decision },
  ): Promise<{ readonly undecided: number }>;
  /** The files that staged rows name in these columns, each once. Before dropStaging(). */
  readStagedPaths(restoreId: string, columns: readonly MediaColumn[]): Promise<readonly StagedPath[]>;
  /**
   * One REPEATABLE READ transaction: compares again, writes parents first and deletes children first, only rows of the
   * organization; writes the undo log; proves foreign keys, counts and checksums; commits. Applied already = its result.
   * @throws RestoreConflict, RestoreInvalid, RestoreTargetBusy (a concurrent edit; safe to try again), …
   */
  apply(input: RestorePlanInput, options: ApplyOptions): Promise<ApplyResult>;
  /** Undoes an applied restore, exactly; `partial` undoes what can be and lists the rest. @throws RollbackRefused. */
  rollback(
    restoreId: string,
    options: { readonly partial: boolean },
  ): Promise<{ readonly tables: readonly AppliedTable[]; readonly refused: readonly RollbackRefusal[] }>;
  dropStaging(restoreId: string): Promise<void>;
  /** Drops staging of a restore that nobody follows; `mark`: an apply that comes later writes nothing. Never waits. */
  giveUp(restoreId: string, options: { readonly mark: boolean }): Promise<GivenUp>;
  /** Restores that have staging in this database. */
  listStaged(): Promise<readonly string[]>;
  /** For an erasure: deletes everything that restores of the organization have kept here; they can't be rolled back then. */
  forget(organizationId: string, restoreIds: readonly string[]): Promise<{ readonly undoRows: number }>;
  close(): Promise<void>;
}

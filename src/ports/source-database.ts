// The live Postgres that is protected. Read-only: nothing here writes to it.
import type { TenantClosure } from "../domain/catalogue.ts";
import type { ForeignRows } from "../domain/foreign-rows.ts";
import type { SchemaDescription } from "../domain/schema.ts";

/** Names one exported snapshot and the moment that it shows. */
export interface SnapshotReference {
  /** pg_export_snapshot(); importable on the same server while the holder's transaction lives. */
  readonly name: string;
  /** Null where the role may not read it. */
  readonly lsn: string | null;
  /** ISO 8601 UTC with microseconds. */
  readonly takenAt: string;
  /** When the server process began, in the same form, by the same clock. */
  readonly serverStartedAt: string;
  /** Of the server, and of the database in it. */
  readonly systemIdentifier: string;
  readonly timeline: string;
  readonly databaseName: string;
  readonly serverVersion: string;
  /** pg_snapshot_xmin as a 64-bit decimal: every transaction below it was over. */
  readonly oldestTransaction: string;
}

/** A transaction that sees one moment. Each reader is its own connection; close it. */
export interface SnapshotReader {
  /**
   * COPY (sql) TO STDOUT in text format, $1 replaced by the quoted organization id. Chunks are raw bytes, cut anywhere.
   * Leaving the rows before their end closes the reader's connection.
   */
  copyRows(sql: string, organizationId: string): AsyncIterable<Buffer>;
  /** Small results only; every value arrives as the text that Postgres sent, or null. */
  query(sql: string, parameters: readonly string[]): Promise<readonly Readonly<Record<string, string | null>>[]>;
  /**
   * Call it when everything is read, and believe nothing before: a table that was truncated or rewritten since the
   * snapshot reads as one without rows, and no error. @throws SnapshotLost naming it.
   */
  assertIntact(): Promise<void>;
  close(): Promise<void>;
}

export interface HeldSnapshot {
  readonly reference: SnapshotReference;
  /** As of the snapshot. */
  readonly schema: SchemaDescription;
  readonly closure: TenantClosure;
  /** Settles (never rejects) when the holding transaction is gone without release(): the reason, for people. */
  readonly lost: Promise<string>;
  /** How many sessions wait behind this snapshot's locks right now. */
  countBlockedSessions(): Promise<number>;
  /** Rows of the organization that point at rows of another, by foreign keys between `among`. */
  findForeignRows(organizationId: string, among: ReadonlySet<string>): Promise<readonly ForeignRows[]>;
  release(): Promise<void>;
}

export interface SourceDatabase {
  /** Host, port and database without credentials. */
  readonly description: string;
  readSchema(schemas: readonly string[]): Promise<SchemaDescription>;
  /**
   * ACCESS SHARE locks on the closure's tables first, then one REPEATABLE READ READ ONLY snapshot, row_security off,
   * time-outs off, text settings pinned. `classify` runs on the schema that was read; if the schema differs once the
   * locks are held, it starts over (SchemaChanging after 5 tries).
   * @throws SourceUnreachable, SourceAccessDenied, RowSecurityActive, SnapshotBlocked, TableUnclassified, …
   */
  holdSnapshot(
    schemas: readonly string[],
    classify: (schema: SchemaDescription) => TenantClosure,
  ): Promise<HeldSnapshot>;
  /** @throws SnapshotLost when the holder is gone. */
  importSnapshot(reference: SnapshotReference): Promise<SnapshotReader>;
  /** Ids of all organizations, as text, in key order. */
  listOrganizations(root: { readonly table: string; readonly key: string }): Promise<readonly string[]>;
  close(): Promise<void>;
}

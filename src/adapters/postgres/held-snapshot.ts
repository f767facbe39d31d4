// Opens the one consistent moment of a backup. Order matters: locks first, then the snapshot. A TRUNCATE or a rewriting
// ALTER that commits between a snapshot and its locks would show as tables without rows, and no error.
import { canonicalSchema } from "../../domain/canonical-schema.ts";
import type { TenantClosure } from "../../domain/catalogue.ts";
import { BackupError } from "../../domain/errors.ts";
import { readForeignRows, writeForeignRowsSql } from "../../domain/foreign-rows.ts";
import type { SchemaDescription } from "../../domain/schema.ts";
import { quoteTable } from "../../domain/sql-quoting.ts";
import type { HeldSnapshot, SnapshotReference } from "../../ports/source-database.ts";
import type { SourceConnection } from "./connection.ts";
import type { IdleConnections } from "./idle-connections.ts";
import { mapPostgresError } from "./map-error.ts";
import { readSchema } from "./read-schema.ts";

const maxTries = 5;
const undefinedTable = "42P01";

interface HoldOptions {
  readonly connections: IdleConnections;
  readonly lockTimeoutMs: number;
  readonly schemas: readonly string[];
  readonly classify: (schema: SchemaDescription) => TenantClosure;
  /** What the schema was last time: a guess that saves reading it twice, and is always checked under the locks. */
  readonly lastSchema: { guess: SchemaDescription | null };
  /** Counts sessions that wait behind this backend, on a connection of its own. */
  readonly countBlocked: (backend: string) => Promise<number>;
}

export async function holdSnapshot(options: HoldOptions): Promise<HeldSnapshot> {
  const connection = await options.connections.take();
  try {
    // Reading the schema takes locks, too: pg_get_expr waits behind an ALTER like everyone else.
    await connection.client.query(`SET lock_timeout = ${options.lockTimeoutMs}`);
    for (let attempt = 1; attempt <= maxTries; attempt++) {
      const held = await tryHold(connection, options);
      if (held !== null) return held;
    }
    throw new BackupError(
      "SchemaChanging",
      "The schema changed each time that it was read; try again when the migration is over.",
    );
  } catch (error) {
    await connection.close();
    throw mapPostgresError(error, "taking the snapshot");
  }
}

/** Null when the schema changed between reading and locking it. */
async function tryHold(connection: SourceConnection, options: HoldOptions): Promise<HeldSnapshot | null> {
  const { client } = connection;
  const before = options.lastSchema.guess ?? (await readSchema(client, options.schemas));
  options.lastSchema.guess = null;
  const closure = options.classify(before);
  const tables = closure.tables.map(({ table }) => quoteTable(table)).join(", ");
  try {
    await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE ${tables} IN ACCESS SHARE MODE`);
  } catch (error) {
    if ((error as { code?: string }).code !== undefinedTable) throw error;
    await client.query("ROLLBACK");
    return null;
  }
  const reference = await exportSnapshot(connection);
  const schema = await readSchema(client, options.schemas);
  options.lastSchema.guess = schema;
  if (canonicalSchema(schema) !== canonicalSchema(before)) {
    await client.query("ROLLBACK");
    return null;
  }
  const { backend, ...rest } = reference;
  let released: Promise<void> | null = null; // once: the connection may be another's by the second time
  return {
    reference: rest,
    schema,
    closure,
    lost: connection.lost,
    countBlockedSessions: () => options.countBlocked(backend),
    async findForeignRows(organizationId, among) {
      const checks = closure.foreignRowChecks.filter(({ table, parent }) => among.has(table) && among.has(parent));
      const sql = writeForeignRowsSql(checks);
      if (sql === null) return [];
      try {
        return readForeignRows(checks, (await client.query<Record<string, string>>(sql, [organizationId])).rows);
      } catch (error) {
        throw mapPostgresError(error, "looking for rows that point at other organizations");
      }
    },
    release: () => (released ??= options.connections.giveBack(connection)),
  };
}

async function exportSnapshot({ client }: SourceConnection): Promise<SnapshotReference & { backend: string }> {
  const { rows } = await client.query<Record<string, string>>(`
    SELECT pg_export_snapshot() AS name, pg_backend_pid()::text AS backend,
      to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "takenAt",
      to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "serverStartedAt",
      current_database() AS "databaseName", current_setting('server_version') AS "serverVersion",
      pg_snapshot_xmin(pg_current_snapshot())::text AS "oldestTransaction",
      CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS lsn,
      (SELECT oid FROM pg_database WHERE datname = current_database())::text AS "databaseOid",
      (SELECT bool_and(has_function_privilege(name, 'EXECUTE')) FROM unnest(ARRAY['pg_control_system()', 'pg_control_checkpoint()', 'pg_control_recovery()']) AS name)::text AS identified`);
  const row = rows[0] as Record<string, string>;
  // A copy of the database can take its name, but not its oid.
  const database = `database ${row["databaseOid"]}`;
  const identity = { systemIdentifier: database, timeline: "unknown" };
  if (row["identified"] === "true") {
    const answer = await client.query<Record<string, string>>(
      // Until the first checkpoint after a promotion, only the end of the recovery tells the new timeline.
      `SELECT (SELECT system_identifier FROM pg_control_system())::text AS "system",
         greatest((SELECT timeline_id FROM pg_control_checkpoint()), (SELECT min_recovery_end_timeline FROM pg_control_recovery()))::text AS timeline`,
    );
    const { system = "", timeline = "" } = answer.rows[0] ?? {};
    Object.assign(identity, { systemIdentifier: `${system}, ${database}`, timeline });
  }
  const text = (name: string): string => row[name] ?? "";
  return {
    name: text("name"),
    backend: text("backend"),
    lsn: row["lsn"] ?? null,
    takenAt: text("takenAt"),
    serverStartedAt: text("serverStartedAt"),
    databaseName: text("databaseName"),
    serverVersion: text("serverVersion"),
    oldestTransaction: text("oldestTransaction"),
    ...identity,
  };
}

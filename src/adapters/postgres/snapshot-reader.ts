// A reader of an exported snapshot: its own connection and transaction. The holder's ACCESS SHARE locks keep the tables
// from being truncated or rewritten; should the holder die, a reader reads on, and assertIntact tells whether it may.
import type { Submittable } from "pg";
import { BackupError } from "../../domain/errors.ts";
import { fillOrganization } from "../../domain/sql-quoting.ts";
import type { SnapshotReader, SnapshotReference } from "../../ports/source-database.ts";
import type { SourceConnection } from "./connection.ts";
import { CopyOut } from "./copy-out.ts";
import type { IdleConnections } from "./idle-connections.ts";
import { mapPostgresError } from "./map-error.ts";

/**
 * Of the tables that this transaction has read, and so holds a lock on: pg_class as the snapshot sees it against the file
 * that is read now. The lock stays until the end, so an answer once given stays true.
 */
const rewrittenSql = `
  SELECT n.nspname || '.' || c.relname AS name
  FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND c.relkind = 'r' AND c.relfilenode <> 0 AND pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode
  ORDER BY 1`;

export async function importSnapshot(
  connections: IdleConnections,
  reference: SnapshotReference,
): Promise<SnapshotReader> {
  const connection = await connections.take();
  try {
    const name = reference.name.replaceAll("'", "''");
    await connection.client.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '${name}'`,
    );
  } catch (error) {
    await connection.close();
    throw mapPostgresError(error, "importing the snapshot", true);
  }
  return new PostgresSnapshotReader(connection, connections);
}

class PostgresSnapshotReader implements SnapshotReader {
  private readonly connection: SourceConnection;
  private readonly connections: IdleConnections;
  private closing: Promise<void> | null = null;

  constructor(connection: SourceConnection, connections: IdleConnections) {
    this.connection = connection;
    this.connections = connections;
  }

  async *copyRows(sql: string, organizationId: string): AsyncGenerator<Buffer> {
    const copy = new CopyOut(`COPY (${fillOrganization(sql, organizationId)}) TO STDOUT`);
    void this.connection.lost.then((reason) => copy.fail(Object.assign(new Error(reason), { code: "08006" })));
    try {
      this.connection.client.query(copy as unknown as Submittable);
      yield* copy;
    } catch (error) {
      throw mapPostgresError(error, "reading rows");
    } finally {
      // The reader stopped: a COPY that nobody reads keeps its connection busy for ever.
      if (!copy.isOver) this.connection.destroy();
    }
  }

  async query(sql: string, parameters: readonly string[]): Promise<readonly Readonly<Record<string, string | null>>[]> {
    try {
      const { rows } = await this.connection.client.query<Record<string, string | null>>(sql, [...parameters]);
      return rows;
    } catch (error) {
      throw mapPostgresError(error, "reading from the snapshot");
    }
  }

  async assertIntact(): Promise<void> {
    const tables = (await this.query(rewrittenSql, [])).map((row) => row["name"] ?? "");
    if (tables.length === 0) return;
    throw new BackupError(
      "SnapshotLost",
      `Truncated or rewritten while the snapshot was read: ${tables.join(", ")}. A new snapshot is needed.`,
      { tables },
    );
  }

  async close(): Promise<void> {
    // Once: it may be another's by the second time.
    this.closing ??= this.connections.giveBack(this.connection);
    await this.closing;
  }
}

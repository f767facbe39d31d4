// The source database on Postgres. Flow: held-snapshot opens the moment, snapshot-reader reads it, connection pins the
// settings, map-error names what goes wrong. Nothing here writes.
import { Pool } from "pg";
import { quoteIdentifier, quoteTable } from "../../domain/sql-quoting.ts";
import type { SchemaDescription } from "../../domain/schema.ts";
import type { SourceDatabase } from "../../ports/source-database.ts";
import { openConnection } from "./connection.ts";
import { holdSnapshot } from "./held-snapshot.ts";
import { IdleConnections } from "./idle-connections.ts";
import { mapPostgresError } from "./map-error.ts";
import { readSchema } from "./read-schema.ts";
import { importSnapshot } from "./snapshot-reader.ts";

export interface PostgresSourceOptions {
  readonly url: string;
  readonly applicationName?: string;
  /** How long to wait for the tables' locks before giving way. */
  readonly lockTimeoutMs?: number;
}

export function createPostgresSource({
  url,
  applicationName = "wedsync-backup",
  lockTimeoutMs = 10_000,
}: PostgresSourceOptions): SourceDatabase {
  const connections = new IdleConnections(url, applicationName);
  const watchers = new Pool({
    connectionString: url,
    application_name: `${applicationName} watch`,
    max: 1,
    idleTimeoutMillis: 10_000,
  });
  const lastSchemas = new Map<string, { guess: SchemaDescription | null }>();
  const rememberSchema = (schemas: readonly string[]): { guess: SchemaDescription | null } => {
    const key = JSON.stringify(schemas);
    const known = lastSchemas.get(key) ?? { guess: null };
    lastSchemas.set(key, known);
    return known;
  };
  watchers.on("error", () => {}); // an idle connection that ends is replaced when it is needed again

  return {
    description: describeUrl(url),
    async readSchema(schemas) {
      const connection = await openConnection(url, applicationName);
      try {
        await connection.client.query(`SET lock_timeout = ${lockTimeoutMs}`);
        return await readSchema(connection.client, schemas);
      } finally {
        await connection.close();
      }
    },
    holdSnapshot: (schemas, classify) =>
      holdSnapshot({
        connections,
        lockTimeoutMs,
        schemas,
        classify,
        lastSchema: rememberSchema(schemas),
        async countBlocked(backend) {
          const sql =
            "SELECT count(*)::int AS blocked FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))";
          try {
            const { rows } = await watchers.query<{ blocked: number }>(sql, [backend]);
            return rows[0]?.blocked ?? 0;
          } catch (error) {
            throw mapPostgresError(error, "looking for sessions that wait behind the backup");
          }
        },
      }),
    importSnapshot: (reference) => importSnapshot(connections, reference),
    async listOrganizations({ table, key }) {
      const connection = await openConnection(url, applicationName);
      try {
        const column = `t.${quoteIdentifier(key)}`; // without the "t.", the order would be the text's
        const { rows } = await connection.client.query<{ id: string }>(
          `SELECT ${column}::text AS id FROM ${quoteTable(table)} AS t ORDER BY ${column}`,
        );
        return rows.map((row) => row.id);
      } catch (error) {
        throw mapPostgresError(error, "listing the organizations");
      } finally {
        await connection.close();
      }
    },
    async close() {
      await Promise.all([watchers.end(), connections.close()]);
    },
  };
}

/** Without user and password. */
export function describeUrl(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `Postgres ${decodeURIComponent(pathname.slice(1))} at ${hostname}:${port === "" ? "5432" : port}`;
}

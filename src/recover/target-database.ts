// The empty database that is recovered into: a connection to it, its refusals under our names.
import { openConnection } from "../adapters/postgres/connection.ts";
import { connectionCodes, type PostgresFailure } from "../adapters/postgres/map-error.ts";
import { BackupError } from "../domain/errors.ts";
import { quoteIdentifier } from "../domain/sql-quoting.ts";
import type { DdlStep } from "../domain/ddl-step.ts";

export type TargetDatabase = Awaited<ReturnType<typeof openTarget>>;

/** @throws RecoverTargetUnreachable, RecoverTargetRefused */
export async function openTarget(databaseUrl: string) {
  const connection = await openConnection(databaseUrl, "wedsync-backup recover").catch((error: unknown) => {
    throw mapTargetError(error, "connecting to the database");
  });
  const { client } = connection;
  let lostBecause: string | null = null;
  void connection.lost.then((reason) => (lostBecause = reason));

  const execute = async (sql: string, doing: string): Promise<void> => {
    await client.query(sql).catch((error: unknown) => {
      throw mapTargetError(error, doing);
    });
  };

  return {
    client,
    execute,
    close: () => connection.close(),
    /** Ends the connection at once; a COPY whose rows stop coming would wait for ever. The server rolls back. */
    destroy: () => connection.destroy(),
    /** A COPY stream ends like a complete one when its connection does. @throws RecoverTargetUnreachable */
    assertConnected(doing: string): void {
      if (lostBecause !== null)
        throw new BackupError(
          "RecoverTargetUnreachable",
          `While ${doing}: the database closed the connection; nothing was committed.`,
        );
    },

    async refuseIfNotEmpty(): Promise<void> {
      const { rows } = await client.query<{ name: string; encoding: string }>(emptinessSql).catch((error: unknown) => {
        throw mapTargetError(error, "looking into the database");
      });
      const { encoding, name } = rows[0] ?? { encoding: "UTF8", name: null };
      if (name !== null) throw refuseNotEmpty(name);
      if (encoding !== "UTF8")
        throw new BackupError(
          "RecoverTargetRefused",
          `The database has the encoding ${encoding}; make one with ENCODING 'UTF8'.`,
        );
    },

    async begin(): Promise<void> {
      await execute("BEGIN READ WRITE; SET LOCAL check_function_bodies = off", "beginning");
    },

    setSearchPath: (schemas: readonly string[]): Promise<void> =>
      execute(
        `SET LOCAL search_path = ${schemas.length === 0 ? "''" : schemas.map(quoteIdentifier).join(", ")}`,
        "setting the search path",
      ),

    async listExtensions(): Promise<ReadonlySet<string>> {
      const { rows } = await client.query<{ extname: string }>("SELECT extname FROM pg_catalog.pg_extension");
      return new Set(rows.map((row) => row.extname));
    },

    /** @returns those that were not there. */
    async createSchemas(schemas: readonly string[]): Promise<readonly string[]> {
      const { rows } = await client.query<{ nspname: string }>("SELECT nspname FROM pg_catalog.pg_namespace");
      const present = new Set(rows.map((row) => row.nspname));
      const missing = schemas.filter((name) => !present.has(name));
      for (const name of missing) await execute(`CREATE SCHEMA ${quoteIdentifier(name)}`, `making the schema ${name}`);
      return missing;
    },

    /** @returns what was left out of it, or null. */
    async run({ subject, sql, ifRefused }: DdlStep): Promise<string | null> {
      const attempt = ifRefused === "fail" ? sql : `SAVEPOINT step; ${sql}; RELEASE SAVEPOINT step`;
      try {
        await client.query(attempt);
        return null;
      } catch (error) {
        const refusal = describeRefusal(error);
        if (ifRefused === "fail" || refusal === null) throw mapTargetError(error, `making ${subject}`);
        await execute("ROLLBACK TO SAVEPOINT step; RELEASE SAVEPOINT step", `making ${subject}`);
        if (ifRefused === "leave out") return `${subject}: ${refusal}`;
        await execute(ifRefused.sql, `making ${subject}`);
        return `${ifRefused.leftOut}: ${refusal}`;
      }
    },
  };
}

export const refuseNotEmpty = (found: string): BackupError =>
  new BackupError(
    "RecoverTargetNotEmpty",
    `The database is not empty: it has ${found}. Recover into a new database (CREATE DATABASE …).`,
  );

/** The encoding, and the first thing found that somebody made; what extensions brought does not count. */
const emptinessSql = `
  SELECT pg_catalog.getdatabaseencoding() AS encoding, (
    SELECT f.name FROM (
      SELECT 'the table or view ' || n.nspname || '.' || c.relname AS name, c.oid, 'pg_catalog.pg_class'::regclass AS catalogue, n.nspname
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      UNION ALL
      SELECT 'the type ' || n.nspname || '.' || t.typname, t.oid, 'pg_catalog.pg_type'::regclass, n.nspname
      FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype IN ('e', 'd')
    ) AS f
    WHERE f.nspname NOT IN ('pg_catalog', 'information_schema') AND f.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = f.catalogue AND d.objid = f.oid AND d.deptype = 'e')
    ORDER BY f.name LIMIT 1
  ) AS name`;

/** Why a statement was refused for what it says, in words without values; null when the server could not even try. */
function describeRefusal(error: unknown): string | null {
  const { code = "", message } = error as PostgresFailure;
  if (code === "23503") return "some of its rows point at rows that are not in this backup";
  if (code.startsWith("22") || code.startsWith("23")) return `some rows do not fit it (SQLSTATE ${code})`;
  // These name objects and rights, never values.
  if (/^(0A|2B|3F|42|55|58P01)/.test(code)) return `${message} (SQLSTATE ${code})`;
  return null;
}

export function mapTargetError(error: unknown, doing: string): BackupError {
  // The connection was opened by the source's adapter, which speaks of the source.
  const failure = (error instanceof BackupError ? error.cause : error) as PostgresFailure | undefined;
  if (failure === undefined) return error as BackupError;
  const code = failure.code ?? "";
  const details = { sqlState: code };
  const options = { cause: error };
  if (["28P01", "28000", "3D000"].includes(code)) {
    return new BackupError(
      "RecoverTargetRefused",
      `While ${doing}: the database refused the login or does not exist. Check the URL; make the database with CREATE DATABASE.`,
      details,
      options,
    );
  }
  if (
    connectionCodes.has(code) ||
    /^(08|57P)/.test(code) ||
    /terminated|connection.*(closed|ended)|timeout/i.test(failure.message)
  ) {
    return new BackupError(
      "RecoverTargetUnreachable",
      `While ${doing}: the database does not answer or closed the connection; nothing was committed.`,
      details,
      options,
    );
  }
  if (code.startsWith("53"))
    return new BackupError(
      "RecoverTargetRefused",
      `While ${doing}: the database has no room left (SQLSTATE ${code}); nothing was committed.`,
      details,
      options,
    );
  const refusal = describeRefusal(failure) ?? `SQLSTATE ${code === "" ? "unknown" : code}`;
  return new BackupError(
    "RecoverTargetRefused",
    `While ${doing}: the database refused: ${refusal}. Nothing was committed; recovering into a folder needs no database.`,
    details,
    options,
  );
}

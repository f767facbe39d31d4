// One organization out of the repository into an empty Postgres: with the bucket and the key alone. One transaction: the
// database holds everything, proven, or nothing.
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { openConnection, type SourceConnection } from "../adapters/postgres/connection.ts";
import { mapPostgresError } from "../adapters/postgres/map-error.ts";
import { BackupError } from "../domain/errors.ts";
import { quoteIdentifier, quoteTable } from "../domain/sql-quoting.ts";
import { planRecoveryDdl } from "../domain/table-ddl.ts";
import type { Manifest, TableEntry } from "../repository/manifest.ts";
import { readTableRows } from "../repository/read-table.ts";
import { RowSegmenter } from "../repository/row-segmenter.ts";
import type { OrganizationVault } from "../repository/vault.ts";

export interface RecoverProgress {
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
}

export interface DatabaseRecovery {
  readonly tables: number;
  readonly rows: number;
  readonly bytes: number;
  readonly leftOut: readonly string[];
}

interface RecoverInput {
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
  readonly databaseUrl: string;
  readonly onProgress?: (progress: RecoverProgress) => void;
}

/** @throws RecoverTargetNotEmpty, RecoverMismatch, and the store's and the repository's errors; nothing is left behind. */
export async function recoverToDatabase({ vault, manifest, databaseUrl, onProgress }: RecoverInput): Promise<DatabaseRecovery> {
  const connection = await openConnection(databaseUrl, "wedsync-backup recover");
  try {
    await refuseIfNotEmpty(connection);
    const { before, after, leftOut } = planRecoveryDdl(manifest.schema, new Set(manifest.tables.map((table) => table.table)));
    const execute = async (statements: readonly string[], doing: string): Promise<void> => {
      for (const sql of statements) {
        await connection.client.query(sql).catch((error: unknown) => {
          throw mapPostgresError(error, `${doing} (${sql.slice(0, 80).replaceAll(/\s+/g, " ")}…)`);
        });
      }
    };
    await execute(["SET default_transaction_read_only = off", "BEGIN", "SET LOCAL check_function_bodies = off"], "beginning the recovery");
    await execute(before, "making the tables again");
    let rows = 0;
    let bytes = 0;
    for (const table of manifest.tables) {
      await loadTable(connection, vault, manifest, table);
      rows += table.rows;
      bytes += table.rawBytes;
      onProgress?.({ table: table.table, rows, bytes });
    }
    await execute(after, "adding keys and foreign keys");
    for (const table of manifest.tables) await proveTable(connection, vault, table);
    await execute(["COMMIT"], "committing the recovery");
    return { tables: manifest.tables.length, rows, bytes, leftOut };
  } finally {
    await connection.close(); // without a commit, the server forgets everything
  }
}

async function refuseIfNotEmpty({ client }: SourceConnection): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT n.nspname || '.' || c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%' LIMIT 1`,
  );
  const [first] = rows;
  if (first === undefined) return;
  throw new BackupError("RecoverTargetNotEmpty", `The database is not empty: it has ${first.name}. Recover into a new database (CREATE DATABASE …).`);
}

async function loadTable({ client, destroy }: SourceConnection, vault: OrganizationVault, manifest: Manifest, table: TableEntry): Promise<void> {
  if (table.rows === 0) return;
  const columns = table.columns.map(quoteIdentifier).join(", ");
  const sink = client.query(copyFrom(`COPY ${quoteTable(table.table)} (${columns}) FROM STDIN`));
  try {
    await pipeline(Readable.from(readTableRows(vault, manifest, table), { objectMode: false, highWaterMark: 4 * 1024 * 1024 }), sink);
  } catch (error) {
    if (error instanceof BackupError) destroy(); // the COPY would wait for rows that do not come
    throw mapPostgresError(error, `loading ${table.table}`);
  }
}

/** The rows as the database now gives them are, byte for byte and whatever their order, the ones that were backed up. */
async function proveTable({ client }: SourceConnection, vault: OrganizationVault, table: TableEntry): Promise<void> {
  const columns = table.columns.map(quoteIdentifier).join(", ");
  const proof = new RowSegmenter({ seed: vault.cutSeed, keyColumnCount: table.keyColumnCount });
  const source = client.query(copyTo(`COPY (SELECT ${columns} FROM ${quoteTable(table.table)}) TO STDOUT`));
  for await (const chunk of source as AsyncIterable<Buffer>) proof.push(chunk);
  proof.end();
  if (proof.rows !== table.rows || proof.checksum !== table.checksum) {
    throw new BackupError("RecoverMismatch", `${table.table} came back with other rows than were backed up; nothing was committed.`, {
      table: table.table,
      rows: proof.rows,
      expectedRows: table.rows,
    });
  }
}

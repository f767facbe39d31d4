// One organization out of the repository into an empty Postgres: with the bucket and the key alone. One transaction, so
// that the database holds everything, proven, or nothing: tables → rows → keys, indexes, sequences → foreign keys → every
// table read back and compared with the manifest → commit.
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { BackupError } from "../domain/errors.ts";
import { fromTable } from "../domain/membership-sql.ts";
import { quoteIdentifier, quoteTable } from "../domain/sql-quoting.ts";
import { planRecoveryDdl, type DdlStep } from "../domain/table-ddl.ts";
import type { Manifest, TableEntry } from "../repository/manifest.ts";
import { readTableRows } from "../repository/read-table.ts";
import { RowSegmenter } from "../repository/row-segmenter.ts";
import type { OrganizationVault } from "../repository/vault.ts";
import { neverInBackups, type RecoverProgress } from "./recover-progress.ts";
import { mapTargetError, openTarget, type TargetDatabase } from "./target-database.ts";

export interface DatabaseRecovery {
  readonly tables: number;
  readonly rows: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** What was not made again, each with its reason. */
  readonly leftOut: readonly string[];
}

interface RecoverInput {
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
  readonly databaseUrl: string;
  readonly onProgress?: (progress: RecoverProgress) => void;
}

/**
 * @throws RecoverTargetNotEmpty, RecoverTargetUnreachable, RecoverTargetRefused, RecoverMismatch, and the store's and the
 *   repository's errors; then nothing is left in the database.
 */
export async function recoverToDatabase({
  vault,
  manifest,
  databaseUrl,
  onProgress,
}: RecoverInput): Promise<DatabaseRecovery> {
  const startedMs = performance.now();
  const target = await openTarget(databaseUrl);
  const totalBytes = manifest.tables.reduce((sum, table) => sum + table.rawBytes, 0);
  const seen = { rows: 0, bytes: 0 };
  const report = (phase: RecoverProgress["phase"], table: string): void =>
    onProgress?.({ phase, table, ...seen, totalBytes });
  try {
    await target.refuseIfNotEmpty();
    const plan = planRecoveryDdl(manifest.schema, manifest.tables);
    const leftOut = [...plan.leftOut];
    const runAll = async (steps: readonly DdlStep[]): Promise<void> => {
      for (const step of steps) {
        const note = await target.run(step);
        if (note !== null) leftOut.push(note);
      }
    };
    await target.begin();
    await target.createSchemas(plan.schemas);
    await runAll(plan.before);
    // Functions of generated columns and checks may name things without their schema, as they could at home.
    await setSearchPath(target, plan.schemas);
    for (const table of manifest.tables) {
      await loadTable(target, vault, manifest, table, (bytes) => {
        seen.bytes += bytes;
        report("rows", table.table);
      });
      seen.rows += table.rows;
    }
    report("keys", "");
    await runAll(plan.after);
    await runAll(plan.foreignKeys);
    await setSearchPath(target, []); // rows are compared as they were read
    for (const table of manifest.tables) {
      report("proof", table.table);
      await proveTable(target, vault, manifest, table);
    }
    await target.execute("COMMIT", "committing");
    if (manifest.media.files.length > 0)
      leftOut.push(`${manifest.media.files.length} files: a database holds none; recover them into a folder`);
    return {
      tables: manifest.tables.length,
      ...seen,
      durationMs: Math.round(performance.now() - startedMs),
      leftOut: [...leftOut, neverInBackups],
    };
  } finally {
    await target.close(); // without a commit, the server forgets everything
  }
}

const setSearchPath = (target: TargetDatabase, schemas: readonly string[]): Promise<void> =>
  target.execute(
    `SET LOCAL search_path = ${schemas.length === 0 ? "''" : schemas.map(quoteIdentifier).join(", ")}`,
    "setting the search path",
  );

async function loadTable(
  target: TargetDatabase,
  vault: OrganizationVault,
  manifest: Manifest,
  table: TableEntry,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const raw of readTableRows(vault, manifest, table)) {
      onBytes(raw.length);
      yield raw;
    }
  };
  // Frozen as they are written, for the table is of this transaction: nothing has to look up and note later that they are
  // committed. A partitioned table can't be loaded so.
  const { kind } = manifest.schema.tables.find(({ name }) => name === table.table) ?? {};
  const how = kind === "table" ? " WITH (FREEZE)" : "";
  const sink = target.client.query(copyFrom(`COPY ${quoteTable(table.table)} ${columnList(table)} FROM STDIN${how}`));
  try {
    await pipeline(Readable.from(counted(), { objectMode: false, highWaterMark: 4 * 1024 * 1024 }), sink);
  } catch (error) {
    target.destroy();
    throw error instanceof BackupError ? error : mapTargetError(error, `loading ${table.table}`);
  }
  target.assertConnected(`loading ${table.table}`);
}

/** The rows as the database now gives them are, byte for byte and whatever their order, the ones that were backed up. */
async function proveTable(
  target: TargetDatabase,
  vault: OrganizationVault,
  { schema }: Manifest,
  table: TableEntry,
): Promise<void> {
  const proof = new RowSegmenter({ seed: vault.cutSeed, keyColumnCount: table.keyColumnCount });
  const columns = table.columns.map(quoteIdentifier).join(", ");
  const described = schema.tables.find(({ name }) => name === table.table);
  const from = described === undefined ? quoteTable(table.table) : fromTable(described);
  const source = target.client.query(copyTo(`COPY (SELECT ${columns} FROM ${from}) TO STDOUT`));
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) proof.push(chunk);
  } catch (error) {
    throw mapTargetError(error, `reading ${table.table} back`);
  }
  target.assertConnected(`reading ${table.table} back`);
  proof.end();
  if (proof.rows !== table.rows || proof.checksum !== table.checksum) {
    throw new BackupError(
      "RecoverMismatch",
      `${table.table} came back with other rows than were backed up; nothing was committed.`,
      {
        table: table.table,
        rows: proof.rows,
        expectedRows: table.rows,
      },
    );
  }
}

/** A table of generated columns only is stored as empty lines; an empty list would be no SQL. */
const columnList = (table: TableEntry): string =>
  table.columns.length === 0 ? "" : `(${table.columns.map(quoteIdentifier).join(", ")})`;

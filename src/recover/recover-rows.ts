// The rows of one table into the database that is recovered into, and back out of it for the proof.
import { to as copyTo } from "pg-copy-streams";
import { copyIn } from "../adapters/postgres/copy-in.ts";
import { BackupError } from "../domain/errors.ts";
import { fromTable } from "../domain/membership-sql.ts";
import type { Place } from "../domain/placed-ddl.ts";
import { quoteIdentifier, quoteTable } from "../domain/sql-quoting.ts";
import type { Manifest, TableEntry } from "../repository/manifest.ts";
import { readTableRows } from "../repository/read-table.ts";
import { RowProof } from "../repository/row-proof.ts";
import type { OrganizationVault } from "../repository/vault.ts";
import { mapTargetError, type TargetDatabase } from "./target-database.ts";

export interface RowSource {
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
  /** Where the tables are. */
  readonly place: Place;
}

export async function loadTable(
  target: TargetDatabase,
  { vault, manifest, place }: RowSource,
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
  const name = quoteTable(place(table.table));
  try {
    await copyIn(target.client, `COPY ${name} ${columnList(table)} FROM STDIN${how}`, counted());
  } catch (error) {
    target.destroy();
    throw error instanceof BackupError ? error : mapTargetError(error, `loading ${table.table}`);
  }
  target.assertConnected(`loading ${table.table}`);
}

/** The rows as the database now gives them are, byte for byte and whatever their order, the ones that were backed up. */
export async function proveTable(
  target: TargetDatabase,
  { manifest: { schema }, place }: RowSource,
  table: TableEntry,
): Promise<void> {
  const proof = new RowProof();
  const columns = table.columns.map(quoteIdentifier).join(", ");
  const described = schema.tables.find(({ name }) => name === table.table);
  const placed = place(table.table);
  const from = described === undefined ? quoteTable(placed) : fromTable({ ...described, name: placed });
  const source = target.client.query(copyTo(`COPY (SELECT ${columns} FROM ${from}) TO STDOUT`));
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) proof.push(chunk);
  } catch (error) {
    throw mapTargetError(error, `reading ${table.table} back`);
  }
  target.assertConnected(`reading ${table.table} back`);
  const { rows } = proof;
  if (!proof.proves(table)) {
    throw new BackupError(
      "RecoverMismatch",
      `${table.table} came back with other rows than were backed up; nothing was committed.`,
      {
        table: table.table,
        rows,
        expectedRows: table.rows,
      },
    );
  }
}

/** A table of generated columns only is stored as empty lines; an empty list would be no SQL. */
const columnList = (table: TableEntry): string =>
  table.columns.length === 0 ? "" : `(${table.columns.map(quoteIdentifier).join(", ")})`;

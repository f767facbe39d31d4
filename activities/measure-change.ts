// What changed in a table since the newest manifest, without reading it: Postgres itself knows which rows a transaction
// touched since (xmin), and one count tells whether the number of rows still fits.
import type { ClosureTable } from "../src/domain/catalogue.ts";
import type { Manifest, TableEntry } from "../src/repository/manifest.ts";
import type { BackupSession } from "./backup-session.ts";
import type { TableProgress } from "./organization-progress.ts";

/** After so many backups a table is read in full again, so that a wrong "unchanged" can't last. */
const fullReadEvery = 10;
/** Transaction ids wrap at 2^32 and compare by halves: beyond this distance "older" can't be told. */
const maxTransactionDistance = 1_500_000_000n;

export interface TableChange {
  /** The newest manifest of this database that has the table, and what it says of it. */
  readonly manifest: Manifest;
  readonly entry: TableEntry;
  /** Rows that transactions at or after this one touched count as changed; 32 bits, as xmin. */
  readonly sinceTransaction: bigint;
  /** Rows now, and how many of them were touched since. */
  readonly rows: number;
  readonly touchedRows: number;
  /** Whether every table is unchanged through which rows of this one belong to the organization. */
  readonly parentsUnchanged: boolean;
}

/** Null where nothing can be told, and the table must be read. */
export async function measureChange(
  session: BackupSession,
  table: ClosureTable,
  before: readonly TableProgress[],
): Promise<TableChange | null> {
  const { held, organizationId } = session.parts;
  const manifest = session.comparable.find(({ tables }) => tables.some((each) => each.table === table.table));
  const entry = manifest?.tables.find((each) => each.table === table.table);
  if (manifest === undefined || entry === undefined || entry.backupsSinceRead + 1 >= fullReadEvery) return null;
  if (entry.columns.join("\0") !== table.columns.join("\0") || entry.keyColumnCount !== table.keyColumnCount)
    return null;
  const since = BigInt(manifest.snapshot.oldestTransaction);
  if (BigInt(held.reference.oldestTransaction) - since > maxTransactionDistance) return null;
  const sinceTransaction = since % 2n ** 32n;
  const [answer] = await session.reader.query(table.changesSql, [organizationId, sinceTransaction.toString()]);
  if (answer === undefined) return null;
  // The parents must be unchanged for as long as the entry is old: since a later backup proves nothing of the time before.
  const parentsUnchanged = table.dependsOn.every((name) => {
    if (name === table.table) return true;
    const parent = before.find((other) => other.table.table === name);
    return parent !== undefined && parent.reusedFrom !== null && parent.reusedFrom <= manifest.sequence;
  });
  const [rows, touchedRows] = [Number(answer["rows"]), Number(answer["recent"])];
  return { manifest, entry, sinceTransaction, rows, touchedRows, parentsUnchanged };
}

/** A row may have come or gone because its parent did, without being touched itself: then the count proves nothing. */
export const isUnchanged = ({ entry, rows, touchedRows, parentsUnchanged }: TableChange): boolean =>
  parentsUnchanged && touchedRows === 0 && rows === entry.rows;

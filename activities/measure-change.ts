// What changed in a table since the newest manifest, without reading it: Postgres itself knows which rows a transaction
// touched since (xmin), and one count tells whether the number of rows still fits.
import type { SnapshotReader } from "../src/ports/source-database.ts";
import type { ClosureTable } from "../src/domain/catalogue.ts";
import type { Manifest, TableEntry } from "../src/repository/manifest.ts";
import type { BackupSession } from "./backup-session.ts";
import type { TableProgress } from "./organization-progress.ts";
import type { TableCounts } from "./row-sets.ts";
import { hasRunSince } from "./same-course.ts";

/** After so many backups a table is read in full again, so that a wrong "unchanged" can't last. */
const fullReadEvery = 10;
/** Transaction ids wrap at 2^32 and compare by halves: beyond this distance "older" can't be told. */
const maxTransactionDistance = 1_500_000_000n;

export interface TableChange extends TableCounts {
  /** The newest manifest of this database that has the table, and what it says of it. */
  readonly manifest: Manifest;
  readonly entry: TableEntry;
  /** Rows that transactions at or after this one touched count as changed; 32 bits, as xmin. */
  readonly sinceTransaction: bigint;
  /** No row can have come or gone without being touched itself. */
  readonly touchTells: boolean;
}

/** Null where nothing can be told, and the table must be read. */
export async function measureChange(
  session: BackupSession,
  table: ClosureTable,
  before: readonly TableProgress[],
): Promise<TableChange | null> {
  const basis = findBasis(session, table);
  if (basis === null) return null;
  // What was counted ahead is worth nothing when its connection broke.
  const ahead = await session.ahead.counts.get(table.table)?.catch(() => null);
  const counts = ahead ?? (await countRows(session.reader, session.parts.organizationId, table, basis));
  const touchTells = haveSameKeys(session, table, before, basis) || (await cameTouched(session, table, before, basis));
  return { ...basis, ...counts, touchTells };
}

/**
 * Whether every table still has the keys through which rows of this one belong to the organization.
 * For as long as the entry is old: a parent's key that was kept since a later backup proves nothing of the time before.
 */
function haveSameKeys(
  session: BackupSession,
  table: ClosureTable,
  before: readonly TableProgress[],
  { manifest }: Basis,
): boolean {
  // Where rows hang on one table's primary key alone, its keys say all: they are the organization's by the tables above.
  const parents = table.joined === null ? table.dependsOn : [table.joined.parent];
  return parents.every((name) => {
    if (name === table.table) return true;
    const parent = before.find((other) => other.table.table === name);
    if (parent === undefined) return false;
    const since = hangsOnPrimaryKey(session, table.table, name) ? parent.keysKeptSince : parent.reusedFrom;
    return since !== null && since <= manifest.sequence;
  });
}

/**
 * Whether no row came in untouched with one of the table through whose primary key alone rows belong; rows that went show in
 * the count. Where that table was changed under old rows (a guest's name under the guest's answers), this says no.
 */
async function cameTouched(
  session: BackupSession,
  { joined }: ClosureTable,
  before: readonly TableProgress[],
  { manifest, sinceTransaction }: Basis,
): Promise<boolean> {
  const parent = before.find(({ table }) => table.table === joined?.parent);
  const came = parent?.cameTouched ?? null;
  // Of the same backup: a row that was touched before this table's could have come after it.
  if (joined === null || came === null || came.since !== manifest.sequence) return false;
  if (came.touchedRows === 0) return true;
  const { organizationId } = session.parts;
  const parameters = [organizationId, sinceTransaction.toString(), came.touchedRows.toString()];
  const [answer] = await session.reader.query(joined.sql, parameters);
  return answer?.["joined"] === "f";
}

export interface Basis extends Pick<TableChange, "manifest" | "entry" | "sinceTransaction"> {}

export function findBasis({ comparable, parts: { held } }: BackupSession, table: ClosureTable): Basis | null {
  const manifest = comparable.find(({ tables }) => tables.some((each) => each.table === table.table));
  const entry = manifest?.tables.find((each) => each.table === table.table);
  if (manifest === undefined || entry === undefined || entry.backupsSinceRead + 1 >= fullReadEvery) return null;
  if (!hasRunSince(manifest, held.reference)) return null;
  if (entry.columns.join("\0") !== table.columns.join("\0") || entry.keyColumnCount !== table.keyColumnCount)
    return null;
  const since = BigInt(manifest.snapshot.oldestTransaction);
  if (BigInt(held.reference.oldestTransaction) - since > maxTransactionDistance) return null;
  return { manifest, entry, sinceTransaction: since % 2n ** 32n };
}

export async function countRows(
  reader: SnapshotReader,
  organizationId: string,
  { changesSql }: ClosureTable,
  { sinceTransaction }: Basis,
): Promise<TableCounts> {
  const [answer] = await reader.query(changesSql, [organizationId, sinceTransaction.toString()]);
  return { rows: Number(answer?.["rows"]), touchedRows: Number(answer?.["recent"]) };
}

/**
 * Every way from one table to the other leads to its primary key; another column's value could move. What a type column says
 * of an id column means the primary key.
 */
function hangsOnPrimaryKey({ parts: { held } }: BackupSession, child: string, parent: string): boolean {
  const { polymorphic } = held.closure.catalogue;
  const byType = polymorphic.some(({ table, targets }) => table === child && Object.values(targets).includes(parent));
  const find = (name: string) => held.schema.tables.find((table) => table.name === name);
  const primaryKey = find(parent)?.primaryKey.join("\0");
  const keys = find(child)?.foreignKeys.filter((key) => key.referencedTable === parent) ?? [];
  return (byType || keys.length > 0) && keys.every((key) => key.referencedColumns.join("\0") === primaryKey);
}

/** A row may have come or gone because its parent did, without being touched itself: then the count proves nothing. */
export const isUnchanged = ({ entry, rows, touchedRows, touchTells }: TableChange): boolean =>
  touchTells && touchedRows === 0 && rows === entry.rows;

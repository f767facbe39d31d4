// What changed in a table since the newest manifest, without reading it: Postgres itself knows which rows a transaction
// touched since (xmin), and one count tells whether the number of rows still fits.
import { BackupError, nonRetryableCodes } from "../src/domain/errors.ts";
import type { SnapshotReader } from "../src/ports/source-database.ts";
import type { ClosureTable } from "../src/domain/catalogue.ts";
import type { Manifest, TableEntry } from "../src/repository/manifest.ts";
import type { BackupSession } from "./backup-session.ts";
import type { TableProgress } from "./organization-progress.ts";
import { hasRunSince } from "./same-course.ts";

/** After so many backups a table is read in full again, so that a wrong "unchanged" can't last. */
const fullReadEvery = 10;
/** Transaction ids wrap at 2^32 and compare by halves: beyond this distance "older" can't be told. */
const maxTransactionDistance = 1_500_000_000n;

/** Below this a connection costs more than it saves. */
const worthAnotherConnectionBytes = 16 * 1024 * 1024;

export interface TableChange {
  /** The newest manifest of this database that has the table, and what it says of it. */
  readonly manifest: Manifest;
  readonly entry: TableEntry;
  /** Rows that transactions at or after this one touched count as changed; 32 bits, as xmin. */
  readonly sinceTransaction: bigint;
  /** Rows now, and how many of them were touched since. */
  readonly rows: number;
  readonly touchedRows: number;
  /**
   * Whether every table has the same keys through which rows of this one belong to the organization: then no row can have
   * come or gone without being touched itself.
   */
  readonly parentsUnchanged: boolean;
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
  const ahead = await session.counted.get(table.table)?.catch(() => null);
  const counts = ahead ?? (await countRows(session.reader, session.parts.organizationId, table, basis));
  const { manifest } = basis;
  // For as long as the entry is old: a parent's key that was kept since a later backup proves nothing of the time before.
  const parentsUnchanged = table.dependsOn.every((name) => {
    if (name === table.table) return true;
    const parent = before.find((other) => other.table.table === name);
    if (parent === undefined) return false;
    const since = hangsOnPrimaryKey(session, table.table, name) ? parent.keysKeptSince : parent.reusedFrom;
    return since !== null && since <= manifest.sequence;
  });
  return { ...basis, ...counts, parentsUnchanged };
}

/**
 * Counts in all tables that can be compared, on two connections, from when the session opens: by far the longest part of a
 * backup in which little has changed, and Postgres has more than one core.
 * @throws SnapshotLost where answers of the second connection can't be believed: it broke, or a table was rewritten.
 */
export async function countAhead(session: BackupSession): Promise<void> {
  const { organizationId, tables } = session.parts;
  const waiting = tables
    .map((table) => ({ table, basis: findBasis(session, table) }))
    .filter((each): each is { table: ClosureTable; basis: Basis } => each.basis !== null)
    .sort((a, b) => b.basis.entry.rawBytes - a.basis.entry.rawBytes);
  const takers = new Map(waiting.map(({ table }) => [table.table, Promise.withResolvers<Counts>()]));
  for (const [name, { promise }] of takers) {
    promise.catch(() => {}); // whoever asks learns of it
    session.counted.set(name, promise);
  }
  const work = async (reader: SnapshotReader): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const taker = takers.get(next.table.table);
      try {
        taker?.resolve(await countRows(reader, organizationId, next.table, next.basis));
      } catch (error) {
        taker?.reject(error);
        throw error; // its transaction is over; what still waits is the other connection's
      }
    }
  };
  const large = waiting.reduce((sum, { basis }) => sum + basis.entry.rawBytes, 0) >= worthAnotherConnectionBytes;
  const [, second] = await Promise.allSettled([work(session.reader), large ? workOnSecond(session, work) : null]);
  const uncounted = new BackupError("Internal", "No connection came to count this table ahead.");
  for (const { reject } of takers.values()) reject(uncounted); // those that have their answer keep it
  if (second.status === "rejected") throw second.reason;
}

async function workOnSecond(session: BackupSession, work: (reader: SnapshotReader) => Promise<void>): Promise<void> {
  const { source, held } = session.parts;
  const second = await source.importSnapshot(held.reference).catch((error: unknown) => {
    if (error instanceof BackupError && error.code === "SourceUnreachable") return null;
    throw error;
  });
  if (second === null) return; // the server has no room for it: the first counts everything
  const close = () => void second.close();
  session.ended.addEventListener("abort", close, { once: true });
  try {
    await work(second);
    await second.assertIntact();
  } catch (error) {
    // Asking the same dead connection again would tell the same: only a new snapshot helps.
    if (error instanceof BackupError && nonRetryableCodes.includes(error.code)) throw error;
    throw new BackupError(
      "SnapshotLost",
      "The connection that counted changed rows broke; a new snapshot is needed.",
      {},
      { cause: error },
    );
  } finally {
    session.ended.removeEventListener("abort", close);
    await second.close();
  }
}

interface Basis extends Pick<TableChange, "manifest" | "entry" | "sinceTransaction"> {}

type Counts = Pick<TableChange, "rows" | "touchedRows">;

function findBasis({ comparable, parts: { held } }: BackupSession, table: ClosureTable): Basis | null {
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

async function countRows(
  reader: SnapshotReader,
  organizationId: string,
  { changesSql }: ClosureTable,
  { sinceTransaction }: Basis,
): Promise<Counts> {
  const [answer] = await reader.query(changesSql, [organizationId, sinceTransaction.toString()]);
  return { rows: Number(answer?.["rows"]), touchedRows: Number(answer?.["recent"]) };
}

/** Every foreign key from one table to the other points at its primary key; another column's value could move. */
function hangsOnPrimaryKey({ parts: { held } }: BackupSession, child: string, parent: string): boolean {
  const find = (name: string) => held.schema.tables.find((table) => table.name === name);
  const primaryKey = find(parent)?.primaryKey.join("\0");
  const keys = find(child)?.foreignKeys.filter((key) => key.referencedTable === parent) ?? [];
  return keys.length > 0 && keys.every((key) => key.referencedColumns.join("\0") === primaryKey);
}

/** A row may have come or gone because its parent did, without being touched itself: then the count proves nothing. */
export const isUnchanged = ({ entry, rows, touchedRows, parentsUnchanged }: TableChange): boolean =>
  parentsUnchanged && touchedRows === 0 && rows === entry.rows;

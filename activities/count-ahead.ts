// What is asked of the database before anybody waits for it: how much changed in each table, and then the changed rows.
import { BackupError, nonRetryableCodes } from "../src/domain/errors.ts";
import type { ClosureTable } from "../src/domain/catalogue.ts";
import type { SnapshotReader } from "../src/ports/source-database.ts";
import type { BackupSession } from "./backup-session.ts";
import { estimateChangedBytes, isWorthLayering, readChangedRows } from "./changed-rows.ts";
import { countRows, findBasis, type Basis } from "./measure-change.ts";
import type { TableCounts } from "./row-sets.ts";

/** Below this a connection costs more than it saves. */
const worthAnotherConnectionBytes = 16 * 1024 * 1024;
/** Of changed rows, by estimate: they wait in memory for their table's turn. */
const maxAheadBytes = 16 * 1024 * 1024;

interface ComparableTable {
  readonly table: ClosureTable;
  readonly basis: Basis;
}

/**
 * Counts in all tables that can be compared, on two connections, from when the session opens: by far the longest part of a
 * backup in which little has changed, and Postgres has more than one core.
 * @throws SnapshotLost where answers of the second connection can't be believed: it broke, or a table was rewritten.
 */
export async function countAhead(session: BackupSession): Promise<void> {
  const { organizationId, tables } = session.parts;
  const comparable = tables
    .map((table) => ({ table, basis: findBasis(session, table) }))
    .filter((each): each is ComparableTable => each.basis !== null);
  const waiting = comparable.toSorted((a, b) => b.basis.entry.rawBytes - a.basis.entry.rawBytes);
  const takers = new Map(waiting.map(({ table }) => [table.table, Promise.withResolvers<TableCounts>()]));
  for (const [name, { promise }] of takers) {
    promise.catch(() => {}); // whoever asks learns of it
    session.ahead.counts.set(name, promise);
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
  const workOnMore = async (reader: SnapshotReader): Promise<void> => {
    await work(reader);
    await readChangedAhead(session, reader, comparable);
  };
  const [, second] = await Promise.allSettled([work(session.reader), large ? workOnSecond(session, workOnMore) : null]);
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

/**
 * The main thread searches one table's stored rows while the database looks for the next table's changed ones. Whatever the
 * collector has come to first is its own to read.
 */
async function readChangedAhead(
  session: BackupSession,
  reader: SnapshotReader,
  comparable: readonly ComparableTable[],
): Promise<void> {
  let aheadBytes = 0;
  for (const { table, basis } of comparable) {
    const counts = (await session.ahead.counts.get(table.table)?.catch(() => null)) ?? null; // whoever asks learns of it
    if (counts === null || session.ahead.isAsked(table.table)) continue;
    const change = { ...basis, ...counts };
    if (counts.touchedRows === 0 || !isWorthLayering(table, change)) continue;
    aheadBytes += estimateChangedBytes(change);
    if (aheadBytes > maxAheadBytes) return;
    const reading = readChangedRows(session, reader, table, change);
    session.ahead.addChangedRows(table.table, reading);
    await reading;
  }
}

// The rows of one table of one organization, as segments. A table that did not change since the newest manifest is not
// read: Postgres itself knows which rows a transaction touched since (xmin), and one count tells whether any is gone.
import type { ClosureTable } from "../src/domain/catalogue.ts";
import { RowSegmenter } from "../src/repository/row-segmenter.ts";
import type { TableEntry } from "../src/repository/manifest.ts";
import type { BackupSession } from "./backup-session.ts";
import type { RawBatchSegment } from "./batch.ts";
import type { Collected, TableProgress } from "./organization-progress.ts";

/** After so many backups a table is read in full again, so that a wrong "unchanged" can't last. */
const fullReadEvery = 10;
/** Transaction ids wrap at 2^32 and compare by halves: beyond this distance "older" can't be told. */
const maxTransactionDistance = 1_500_000_000n;

export async function* collectTable(
  session: BackupSession,
  progress: TableProgress,
  before: readonly TableProgress[],
): AsyncGenerator<Collected> {
  const { table } = progress;
  const unchanged = await findUnchanged(session, table, before);
  if (unchanged !== null) {
    const { entry, sequence } = unchanged;
    const { rows, rawBytes, checksum } = entry;
    Object.assign(progress, { reused: entry, reusedFrom: sequence, rows, rawBytes, checksum, done: true });
    yield null;
    return;
  }
  session.startForeignRows();
  const { vault, organizationId } = session.parts;
  const segmenter = new RowSegmenter({ seed: vault.cutSeed, keyColumnCount: table.keyColumnCount });
  const take = ({ raw, rows }: { raw: Buffer; rows: number }): RawBatchSegment => {
    const id = vault.segmentId(raw);
    progress.segments.push({ id, rawBytes: raw.length, rows });
    return { id, kind: "rows", raw, rows };
  };
  for await (const chunk of session.reader.copyRows(table.rowsSql, organizationId)) {
    for (const segment of session.measure(() => segmenter.push(chunk).map(take))) yield segment;
  }
  for (const segment of session.measure(() => segmenter.end().map(take))) yield segment;
  progress.rows = segmenter.rows;
  progress.rawBytes = segmenter.rawBytes;
  progress.checksum = segmenter.checksum;
  progress.done = true;
}

async function findUnchanged(
  session: BackupSession,
  table: ClosureTable,
  before: readonly TableProgress[],
): Promise<{ entry: TableEntry; sequence: number } | null> {
  const { held, organizationId } = session.parts;
  const base = session.comparable.find((manifest) => manifest.tables.some((entry) => entry.table === table.table));
  const entry = base?.tables.find((candidate) => candidate.table === table.table);
  if (base === undefined || entry === undefined || entry.backupsSinceRead + 1 >= fullReadEvery) return null;
  if (entry.columns.join("\0") !== table.columns.join("\0")) return null;
  // A row may have come or gone because its parent did, without being touched itself. The parent must be unchanged for as
  // long as the entry is old: unchanged since a later backup proves nothing about the time before.
  const parentsUnchanged = table.dependsOn.every((name) => {
    if (name === table.table) return true;
    const parent = before.find((other) => other.table.table === name);
    return parent !== undefined && parent.reusedFrom !== null && parent.reusedFrom <= base.sequence;
  });
  if (!parentsUnchanged) return null;
  const since = BigInt(base.snapshot.oldestTransaction);
  if (BigInt(held.reference.oldestTransaction) - since > maxTransactionDistance) return null;
  const [answer] = await session.reader.query(table.changesSql, [organizationId, (since % 2n ** 32n).toString()]);
  const unchanged = answer !== undefined && answer["recent"] === "0" && answer["rows"] === String(entry.rows);
  return unchanged ? { entry, sequence: base.sequence } : null;
}

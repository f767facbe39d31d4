// Reads only what changed in a table, as a layer on the newest manifest's entry (FORMAT.md, "Row layers").
//
//   changed rows from the database → the stored rows that they replace → keys of rows that are gone → the sums add up?
//
// The stored rows are read from the store, not from the database, and are proven on the way. What must hold at the end:
// stored rows, less the replaced, less the removed, plus the changed, are exactly as many as the database has. Where they
// are not (a row came in through its parent, untouched itself), the table is read whole.
import { freeMemory } from "../src/repository/owned-memory.ts";
import { KeyScan } from "../src/repository/key-scan.ts";
import { readTableRows } from "../src/repository/read-table.ts";
import { RowSegmenter } from "../src/repository/row-segmenter.ts";
import type { ClosureTable } from "../src/domain/catalogue.ts";
import { tableSegments, type TableEntry } from "../src/repository/manifest.ts";
import { isDamage } from "../src/repository/damage.ts";
import type { BackupSession } from "./backup-session.ts";
import type { RawBatchSegment } from "./batch.ts";
import { isWorthLayering, layeredRows, maxLayeredRows, readChangedRows } from "./changed-rows.ts";
import type { ChangedRows, StoredRows } from "./row-sets.ts";
import type { TableChange } from "./measure-change.ts";

const removedSegmentBytes = 1024 * 1024;

export interface ReadLayer {
  readonly base: TableEntry;
  /** Changed rows first, then the keys of removed ones. */
  readonly segments: readonly RawBatchSegment[];
  readonly rowSegments: number;
  /** What was read for the layer: rows, and keys of removed ones. */
  readonly layerRows: number;
  readonly layerBytes: number;
  /** No key came and none went: each changed row replaces one. */
  readonly keysKept: boolean;
  /** Of the table as a whole, from here on. */
  readonly rows: number;
  readonly rawBytes: number;
  readonly checksum: string;
}

export async function readLayer(
  session: BackupSession,
  table: ClosureTable,
  change: TableChange,
): Promise<ReadLayer | null> {
  try {
    return await tryLayer(session, table, change);
  } catch (error) {
    if (!isDamage(error)) throw error;
    // What the entry lies on is damaged in the store. Read the table whole, and store it again.
    session.distrust(tableSegments(change.entry));
    return null;
  }
}

async function tryLayer(session: BackupSession, table: ClosureTable, change: TableChange): Promise<ReadLayer | null> {
  if (!isWorthLayering(table, change)) return null;
  const changed = await session.ahead.takeChangedRows(table.table, () =>
    readChangedRows(session, session.reader, table, change),
  );
  if (changed === null) return null;
  const { entry: base } = change;
  // Every row that is touched is one more than were stored: none of those was replaced, and none is gone.
  if (change.touchTells && base.rows + changed.keys.size === change.rows) return addLayer(base, change, changed);
  // Whether rows are gone is known beforehand only where their parents may have taken them along.
  const first = await searchStoredRows(session, table, change, {
    replacedBy: changed.keys,
    live: change.touchTells ? null : await readLiveKeys(session, table, change),
  });
  const removedCount = base.rows - first.replaced.rows + changed.keys.size - change.rows;
  let { removed } = first;
  if (removedCount > 0 && change.touchTells) {
    const live = await readLiveKeys(session, table, change);
    ({ removed } = await searchStoredRows(session, table, change, { replacedBy: null, live }));
  }
  if (removed.keys.length !== removedCount) return null;
  if (layeredRows(base) + changed.rows + removedCount > maxLayeredRows) return null;
  const { replaced } = first;
  return addLayer(base, change, changed, { replaced, removed, removedSegments: cutKeys(session, removed.keys) });
}

interface GoneRows {
  readonly replaced: StoredRows;
  readonly removed: StoredRows;
  readonly removedSegments: readonly RawBatchSegment[];
}

const noRows: StoredRows = { rows: 0, rawBytes: 0, checksum: "0" };

function addLayer(
  base: TableEntry,
  { rows }: TableChange,
  changed: ChangedRows,
  { replaced, removed, removedSegments }: GoneRows = { replaced: noRows, removed: noRows, removedSegments: [] },
): ReadLayer {
  const segments = [...changed.segments, ...removedSegments];
  return {
    base,
    segments,
    rowSegments: changed.segments.length,
    layerRows: changed.rows + removed.rows,
    layerBytes: segments.reduce((sum, segment) => sum + segment.raw.length, 0),
    keysKept: removed.rows === 0 && replaced.rows === changed.rows,
    rows,
    rawBytes: base.rawBytes - replaced.rawBytes - removed.rawBytes + changed.rawBytes,
    checksum: addChecksums(base.checksum, changed.checksum, [replaced.checksum, removed.checksum]),
  };
}

/** Reads the entry's rows from the store, once, and proves them. `live`, if given, holds every key that the database has. */
async function searchStoredRows(
  session: BackupSession,
  table: ClosureTable,
  { manifest, entry }: TableChange,
  { replacedBy, live }: { replacedBy: ReadonlySet<string> | null; live: KeyScan | null },
): Promise<{ replaced: StoredRows; removed: StoredRows & { keys: readonly string[] } }> {
  const { keyColumnCount } = table;
  const { vault } = session.parts;
  const collect = () => new RowSegmenter({ seed: vault.cutSeed, keyColumnCount });
  const [replaced, removed] = [collect(), collect()];
  const keys: string[] = [];
  const changed = replacedBy === null || replacedBy.size === 0 ? null : new KeyScan(replacedBy.size, keyColumnCount);
  changed?.add(Buffer.from(`${[...(replacedBy ?? [])].join("\n")}\n`, "latin1"));
  try {
    for await (const text of readTableRows(vault, manifest, entry)) {
      for (const [start, keyEnd, end] of changed?.find(text, "in") ?? [])
        if (replacedBy?.has(text.toString("latin1", start, keyEnd))) replaced.push(text.subarray(start, end));
      for (const [start, keyEnd, end] of live?.find(text, "notIn") ?? []) {
        keys.push(text.toString("latin1", start, keyEnd));
        removed.push(text.subarray(start, end));
      }
      freeMemory(text);
    }
  } finally {
    changed?.release();
    live?.release();
  }
  for (const rows of [replaced, removed]) rows.end();
  const sum = ({ rows, rawBytes, checksum }: RowSegmenter): StoredRows => ({ rows, rawBytes, checksum });
  return { replaced: sum(replaced), removed: { ...sum(removed), keys } };
}

async function readLiveKeys(session: BackupSession, table: ClosureTable, { rows }: TableChange): Promise<KeyScan> {
  const live = new KeyScan(rows, table.keyColumnCount);
  for await (const chunk of session.reader.copyRows(table.keysSql ?? "", session.parts.organizationId)) live.add(chunk);
  return live;
}

function cutKeys(session: BackupSession, keys: readonly string[]): RawBatchSegment[] {
  const segments: RawBatchSegment[] = [];
  let lines: string[] = [];
  let sizeBytes = 0;
  const cut = (): void => {
    if (lines.length === 0) return;
    const raw = Buffer.from(`${lines.join("\n")}\n`, "latin1");
    segments.push({ id: session.parts.vault.segmentId(raw), kind: "rows", raw, rows: lines.length });
    lines = [];
    sizeBytes = 0;
  };
  for (const key of keys) {
    lines.push(key);
    sizeBytes += key.length + 1;
    if (sizeBytes >= removedSegmentBytes) cut();
  }
  cut();
  return segments;
}

/** Sums of row hashes, modulo 2^64, as 16 hex digits. */
function addChecksums(base: string, added: string, gone: readonly string[]): string {
  const sum = gone.reduce((rest, each) => rest - BigInt(`0x${each}`), BigInt(`0x${base}`) + BigInt(`0x${added}`));
  return BigInt.asUintN(64, sum).toString(16).padStart(16, "0");
}

// Reads only what changed in a table, as a layer on the newest manifest's entry (FORMAT.md, "Row layers").
//
//   changed rows from the database → the stored rows that they replace → keys of rows that are gone → the sums add up?
//
// The stored rows are read from the store, not from the database, and are proven on the way. What must hold at the end:
// stored rows, less the replaced, less the removed, plus the changed, are exactly as many as the database has. Where they
// are not (a row came in through its parent, untouched itself), the table is read whole.
import { freeMemory } from "../src/repository/owned-memory.ts";
import { KeyScan } from "../src/repository/key-scan.ts";
import { forEachRow } from "../src/repository/row-lines.ts";
import { readTableRows } from "../src/repository/read-table.ts";
import { RowSegmenter } from "../src/repository/row-segmenter.ts";
import type { ClosureTable } from "../src/domain/catalogue.ts";
import { fillTransaction } from "../src/domain/sql-quoting.ts";
import { tableSegments, type TableEntry } from "../src/repository/manifest.ts";
import { isDamage } from "../src/repository/damage.ts";
import type { BackupSession } from "./backup-session.ts";
import type { RawBatchSegment } from "./batch.ts";
import type { TableChange } from "./measure-change.ts";

/** Below this a whole read is as fast. */
const leastTableBytes = 512 * 1024;
/** Their keys are held in memory, here and by every reader. */
const maxLayeredRows = 200_000;
const maxLayeredShare = 0.2;
const maxLayers = 8;
/** The changed rows wait in memory until the sums are known to add up. */
const maxLayerBytes = 16 * 1024 * 1024;
/** 16 bytes each, for the time of one table (src/repository/key-scan.ts). */
const maxLiveKeys = 4_000_000;
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
  if (table.keysSql === null || !isWorthwhile(change) || change.rows > maxLiveKeys) return null;
  const changed = await readChangedRows(session, table, change);
  if (changed === null) return null;
  const { entry: base } = change;
  // Every row that is touched is one more than were stored: none of those was replaced, and none is gone.
  if (change.parentsUnchanged && base.rows + changed.keys.size === change.rows) return addLayer(base, change, changed);
  // Whether rows are gone is known beforehand only where their parents may have taken them along.
  const first = await searchStoredRows(session, table, change, {
    replacedBy: changed.keys,
    live: change.parentsUnchanged ? null : await readLiveKeys(session, table, change),
  });
  const removedCount = base.rows - first.replaced.rows + changed.keys.size - change.rows;
  let { removed } = first;
  if (removedCount > 0 && change.parentsUnchanged) {
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

function isWorthwhile({ entry: base, rows, touchedRows }: TableChange): boolean {
  const layered = layeredRows(base) + touchedRows;
  return (
    base.rawBytes >= leastTableBytes &&
    (base.layers ?? []).length < maxLayers &&
    layered <= maxLayeredRows &&
    layered <= rows * maxLayeredShare &&
    (base.rawBytes / Math.max(1, base.rows)) * touchedRows <= maxLayerBytes
  );
}

const layeredRows = ({ layers = [] }: TableEntry): number =>
  layers.flatMap((layer) => [...layer.rows, ...layer.removed]).reduce((sum, segment) => sum + segment.rows, 0);

interface ChangedRows extends StoredRows {
  readonly segments: readonly RawBatchSegment[];
  readonly keys: ReadonlySet<string>;
}

async function readChangedRows(
  session: BackupSession,
  table: ClosureTable,
  { sinceTransaction }: TableChange,
): Promise<ChangedRows | null> {
  const { vault, organizationId } = session.parts;
  const segmenter = new RowSegmenter({ seed: vault.cutSeed, keyColumnCount: table.keyColumnCount });
  const segments: RawBatchSegment[] = [];
  const keys = new Set<string>();
  const take = ({ raw, rows }: { raw: Buffer; rows: number }): void => {
    segments.push({ id: vault.segmentId(raw), kind: "rows", raw, rows });
    forEachRow(raw, table.keyColumnCount, (key) => void keys.add(key));
  };
  const sql = fillTransaction(table.changedRowsSql, sinceTransaction);
  for await (const chunk of session.reader.copyRows(sql, organizationId))
    for (const segment of segmenter.push(chunk)) take(segment);
  for (const segment of segmenter.end()) take(segment);
  const { rows, rawBytes, checksum } = segmenter;
  // Longer rows than the average foretold: the memory was not asked for.
  return rawBytes > 2 * maxLayerBytes || keys.size !== rows ? null : { segments, keys, rows, rawBytes, checksum };
}

interface StoredRows {
  readonly rows: number;
  readonly rawBytes: number;
  readonly checksum: string;
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

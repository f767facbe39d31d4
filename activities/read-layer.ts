// Reads only what changed in a table, as a layer on the newest manifest's entry (FORMAT.md, "Row layers").
//
//   changed rows from the database → the stored rows that they replace → keys of rows that are gone → the sums add up?
//
// The stored rows are read from the store, not from the database, and are proven on the way. What must hold at the end:
// stored rows, less the replaced, less the removed, plus the changed, are exactly as many as the database has. Where they
// are not (a row came in through its parent, untouched itself), the table is read whole.
import { forEachRow } from "../src/repository/row-lines.ts";
import { readTableRows } from "../src/repository/read-table.ts";
import { RowSegmenter } from "../src/repository/row-segmenter.ts";
import type { ClosureTable } from "../src/domain/catalogue.ts";
import { BackupError } from "../src/domain/errors.ts";
import { fillTransaction } from "../src/domain/sql-quoting.ts";
import { tableSegments, type TableEntry } from "../src/repository/manifest.ts";
import { isDamage } from "../src/repository/damage.ts";
import type { BackupSession } from "./backup-session.ts";
import type { RawBatchSegment } from "./batch.ts";
import { KeySet } from "./key-set.ts";
import type { TableChange } from "./measure-change.ts";

/** Below this a whole read is as fast. */
const leastTableBytes = 512 * 1024;
/** Their keys are held in memory, here and by every reader. */
const maxLayeredRows = 200_000;
const maxLayeredShare = 0.2;
const maxLayers = 8;
/** The changed rows wait in memory until the sums are known to add up. */
const maxLayerBytes = 16 * 1024 * 1024;
/** 16 bytes each, for the time of one table. */
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
    if (!(error instanceof BackupError && isDamage(error))) throw error;
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
  let replaced = 0;
  const gone = new RowSegmenter({ seed: session.parts.vault.cutSeed, keyColumnCount: table.keyColumnCount });
  await forEachStoredRow(session, change, (key, line) => {
    if (!changed.keys.has(key)) return;
    replaced += 1;
    gone.push(line);
  });
  const removedCount = base.rows - replaced + changed.keys.size - change.rows;
  const removed: string[] = [];
  if (removedCount > 0 || !change.parentsUnchanged) {
    const live = await readLiveKeys(session, table, change);
    await forEachStoredRow(session, change, (key, line) => {
      if (changed.keys.has(key) || live.has(key)) return;
      removed.push(key);
      gone.push(line);
    });
  }
  gone.end();
  if (removed.length !== removedCount || layeredRows(base) + changed.rows + removed.length > maxLayeredRows)
    return null;
  const removedSegments = cutKeys(session, removed);
  return {
    base,
    segments: [...changed.segments, ...removedSegments],
    rowSegments: changed.segments.length,
    layerRows: changed.rows + removed.length,
    layerBytes: [...changed.segments, ...removedSegments].reduce((sum, segment) => sum + segment.raw.length, 0),
    rows: change.rows,
    rawBytes: base.rawBytes - gone.rawBytes + changed.rawBytes,
    checksum: addChecksums(base.checksum, changed.checksum, gone.checksum),
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

async function readChangedRows(session: BackupSession, table: ClosureTable, { sinceTransaction }: TableChange) {
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

async function forEachStoredRow(
  session: BackupSession,
  { manifest, entry }: TableChange,
  onRow: (key: string, line: Buffer) => void,
): Promise<void> {
  for await (const text of readTableRows(session.parts.vault, manifest, entry)) {
    forEachRow(text, entry.keyColumnCount, (key, start, end) => onRow(key, text.subarray(start, end)));
  }
}

async function readLiveKeys(session: BackupSession, table: ClosureTable, { rows }: TableChange): Promise<KeySet> {
  const live = new KeySet(rows);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of session.reader.copyRows(table.keysSql ?? "", session.parts.organizationId)) {
    const text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = text.lastIndexOf(0x0a) + 1;
    forEachRow(text.subarray(0, whole), table.keyColumnCount, (key) => live.add(key));
    rest = text.subarray(whole);
  }
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
function addChecksums(base: string, added: string, gone: string): string {
  const sum = BigInt(`0x${base}`) + BigInt(`0x${added}`) - BigInt(`0x${gone}`);
  return BigInt.asUintN(64, sum).toString(16).padStart(16, "0");
}

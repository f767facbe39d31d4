// The rows of a table that were touched since a backup, and whether a layer of them is worth more than a whole read.
import type { ClosureTable } from "../src/domain/catalogue.ts";
import { fillTransaction } from "../src/domain/sql-quoting.ts";
import type { SnapshotReader } from "../src/ports/source-database.ts";
import type { TableEntry } from "../src/repository/manifest.ts";
import { forEachRow } from "../src/repository/row-lines.ts";
import { RowSegmenter } from "../src/repository/row-segmenter.ts";
import type { BackupSession } from "./backup-session.ts";
import type { RawBatchSegment } from "./batch.ts";
import type { ChangedRows } from "./row-sets.ts";
import type { TableChange } from "./measure-change.ts";

/** Below this a whole read is as fast. */
const leastTableBytes = 512 * 1024;
/** Their keys are held in memory, here and by every reader. */
export const maxLayeredRows = 200_000;
const maxLayeredShare = 0.2;
const maxLayers = 8;
/** The changed rows wait in memory until the sums are known to add up. */
const maxLayerBytes = 16 * 1024 * 1024;
/** 16 bytes each, for the time of one table (src/repository/key-scan.ts). */
const maxLiveKeys = 4_000_000;

/** Null where they are more than was foretold, or have one key twice. */
export async function readChangedRows(
  session: BackupSession,
  reader: SnapshotReader,
  table: ClosureTable,
  { sinceTransaction }: Pick<TableChange, "sinceTransaction">,
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
  for await (const chunk of reader.copyRows(sql, organizationId))
    for (const segment of segmenter.push(chunk)) take(segment);
  for (const segment of segmenter.end()) take(segment);
  const { rows, rawBytes, checksum } = segmenter;
  // Longer rows than the average foretold: the memory was not asked for.
  return rawBytes > 2 * maxLayerBytes || keys.size !== rows ? null : { segments, keys, rows, rawBytes, checksum };
}

type Change = Pick<TableChange, "entry" | "rows" | "touchedRows">;

export function isWorthLayering(table: ClosureTable, change: Change): boolean {
  const { entry: base, rows, touchedRows } = change;
  const layered = layeredRows(base) + touchedRows;
  return (
    table.keysSql !== null &&
    rows <= maxLiveKeys &&
    base.rawBytes >= leastTableBytes &&
    (base.layers ?? []).length < maxLayers &&
    layered <= maxLayeredRows &&
    layered <= rows * maxLayeredShare &&
    estimateChangedBytes(change) <= maxLayerBytes
  );
}

export const estimateChangedBytes = ({ entry, touchedRows }: Change): number =>
  (entry.rawBytes / Math.max(1, entry.rows)) * touchedRows;

export const layeredRows = ({ layers = [] }: TableEntry): number =>
  layers.flatMap((layer) => [...layer.rows, ...layer.removed]).reduce((sum, segment) => sum + segment.rows, 0);

// The rows of one table of one organization, as segments. A table that did not change since the newest manifest is not
// read; of one that changed in few rows, only those are; any other is read whole.
import { RowSegmenter } from "../src/repository/row-segmenter.ts";
import { takeSegmentBuffer } from "../src/repository/segment-buffers.ts";
import type { BackupSession } from "./backup-session.ts";
import type { RawBatchSegment } from "./batch.ts";
import { isUnchanged, measureChange, type TableChange } from "./measure-change.ts";
import { readLayer } from "./read-layer.ts";
import type { Collected, TableProgress } from "./organization-progress.ts";

export async function* collectTable(
  session: BackupSession,
  progress: TableProgress,
  before: readonly TableProgress[],
): AsyncGenerator<Collected> {
  const { table } = progress;
  // An earlier try may have gone another way.
  Object.assign(progress, { reused: null, reusedFrom: null, keysKeptSince: null, cameTouched: null, layer: null });
  const change = await measureChange(session, table, before);
  const reuse = ({ entry, manifest }: TableChange): void => {
    const { rows, rawBytes, checksum } = entry;
    const { sequence } = manifest;
    const since = { reusedFrom: sequence, keysKeptSince: sequence, cameTouched: { since: sequence, touchedRows: 0 } };
    Object.assign(progress, { reused: entry, ...since, rows, rawBytes, checksum, done: true });
  };
  if (change !== null && isUnchanged(change)) {
    reuse(change);
    yield null;
    return;
  }
  session.startForeignRows();
  const cameTouched = change === null ? null : { since: change.manifest.sequence, touchedRows: change.touchedRows };
  const layer = change === null ? null : await readLayer(session, table, change);
  if (change !== null && layer?.segments.length === 0) {
    reuse(change); // a look into the store was needed to tell
    yield null;
    return;
  }
  if (layer !== null) {
    for (const segment of layer.segments) {
      progress.segments.push({ id: segment.id, rawBytes: segment.raw.length, rows: segment.rows });
      yield segment;
    }
    const { base, rowSegments, layerRows, layerBytes, rows, rawBytes, checksum } = layer;
    progress.layer = { base, rowSegments, rows: layerRows, rawBytes: layerBytes };
    if (layer.keysKept) progress.keysKeptSince = change?.manifest.sequence ?? null;
    Object.assign(progress, { cameTouched, rows, rawBytes, checksum, done: true }); // else the sums would not add up
    return;
  }
  const { vault, organizationId } = session.parts;
  const segmenter = new RowSegmenter({
    seed: vault.cutSeed,
    keyColumnCount: table.keyColumnCount,
    allocate: takeSegmentBuffer,
  });
  const take = ({ raw, rows }: { raw: Buffer; rows: number }): RawBatchSegment => {
    const id = vault.segmentId(raw);
    progress.segments.push({ id, rawBytes: raw.length, rows });
    return { id, kind: "rows", raw, rows };
  };
  for await (const chunk of session.reader.copyRows(table.rowsSql, organizationId)) {
    for (const segment of session.measure(() => segmenter.push(chunk).map(take))) yield segment;
  }
  for (const segment of session.measure(() => segmenter.end().map(take))) yield segment;
  if (table.dependsOn.length === 0) progress.cameTouched = cameTouched; // the row itself says whose it is
  progress.rows = segmenter.rows;
  progress.rawBytes = segmenter.rawBytes;
  progress.checksum = segmenter.checksum;
  progress.done = true;
}

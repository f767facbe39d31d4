// The rows of one table of one organization, as segments. A table that did not change since the newest manifest is not
// read; of one that changed in few rows, only those are; any other is read whole.
import { RowSegmenter } from "../src/repository/row-segmenter.ts";
import { takeSegmentBuffer } from "../src/repository/segment-buffers.ts";
import type { BackupSession } from "./backup-session.ts";
import type { RawBatchSegment } from "./batch.ts";
import { isUnchanged, measureChange } from "./measure-change.ts";
import { readLayer } from "./read-layer.ts";
import type { Collected, TableProgress } from "./organization-progress.ts";

export async function* collectTable(
  session: BackupSession,
  progress: TableProgress,
  before: readonly TableProgress[],
): AsyncGenerator<Collected> {
  const { table } = progress;
  Object.assign(progress, { reused: null, reusedFrom: null, keysKeptSince: null, layer: null }); // an earlier try may have gone another way
  const change = await measureChange(session, table, before);
  if (change !== null && isUnchanged(change)) {
    const { entry, manifest } = change;
    const { rows, rawBytes, checksum } = entry;
    const since = { reusedFrom: manifest.sequence, keysKeptSince: manifest.sequence };
    Object.assign(progress, { reused: entry, ...since, rows, rawBytes, checksum, done: true });
    yield null;
    return;
  }
  session.startForeignRows();
  const layer = change === null ? null : await readLayer(session, table, change);
  if (layer !== null) {
    for (const segment of layer.segments) {
      progress.segments.push({ id: segment.id, rawBytes: segment.raw.length, rows: segment.rows });
      yield segment;
    }
    const { base, rowSegments, layerRows, layerBytes, rows, rawBytes, checksum } = layer;
    progress.layer = { base, rowSegments, rows: layerRows, rawBytes: layerBytes };
    if (layer.keysKept) progress.keysKeptSince = change?.manifest.sequence ?? null;
    Object.assign(progress, { rows, rawBytes, checksum, done: true });
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
  progress.rows = segmenter.rows;
  progress.rawBytes = segmenter.rawBytes;
  progress.checksum = segmenter.checksum;
  progress.done = true;
}

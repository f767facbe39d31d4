// A table that was stored as an earlier backup's segments and layers of changes: its rows as of this backup. Read from the
// top: a layer's rows hide the rows of the same keys below, and so do the keys that it says are removed.
//
// What must hold: the layers of a table together are few (the backup sees to it), because their keys are held in memory.
import { freeMemory } from "./owned-memory.ts";
import type { Manifest, SegmentReference, TableEntry } from "./manifest.ts";
import { filterRows, forEachRow } from "./row-lines.ts";

type ReadSegments = (references: readonly SegmentReference[]) => AsyncIterable<Buffer>;

export async function* readLayeredRows(
  table: Pick<TableEntry, "segments" | "layers" | "keyColumnCount">,
  readSegments: ReadSegments,
): AsyncGenerator<Buffer> {
  const { keyColumnCount, segments, layers = [] } = table;
  const hidden = new Set<string>();
  const isShown = (key: string): boolean => !hidden.has(key);
  for (const layer of layers.toReversed()) {
    const keys: string[] = [];
    for await (const text of readSegments(layer.rows)) {
      forEachRow(text, keyColumnCount, (key) => void keys.push(key));
      yield showRows(text, keyColumnCount, isShown);
    }
    for (const key of keys) hidden.add(key);
    for await (const text of readSegments(layer.removed)) {
      forEachRow(text, keyColumnCount, (key) => void hidden.add(key));
      freeMemory(text);
    }
  }
  for await (const text of readSegments(segments)) {
    yield hidden.size === 0 ? text : showRows(text, keyColumnCount, isShown);
  }
}

function showRows(text: Buffer, keyColumnCount: number, isShown: (key: string) => boolean): Buffer {
  const shown = filterRows(text, keyColumnCount, isShown);
  if (shown !== text) freeMemory(text); // a copy of what is shown is left
  return shown;
}

/** Layered tables need the feature that says so; an older version must refuse what it would read wrongly. */
export const usesLayers = (tables: Manifest["tables"]): boolean =>
  tables.some((table) => (table.layers ?? []).length > 0);

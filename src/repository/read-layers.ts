// A table that was stored as an earlier backup's segments and layers of changes: its rows as of this backup. Read from the
// top: a layer's rows hide the rows of the same keys below, and so do the keys that it says are removed.
//
// What must hold: the layers of a table together are few (the backup sees to it), because their keys are held in memory.
import { freeMemory } from "./owned-memory.ts";
import type { Manifest, SegmentReference, TableEntry } from "./manifest.ts";
import { KeyScan } from "./key-scan.ts";
import { forEachRow } from "./row-lines.ts";

type ReadSegments = (references: readonly SegmentReference[]) => AsyncIterable<Buffer>;

export async function* readLayeredRows(
  table: Pick<TableEntry, "segments" | "layers" | "keyColumnCount">,
  readSegments: ReadSegments,
): AsyncGenerator<Buffer> {
  const { keyColumnCount, segments, layers = [] } = table;
  const hidden = new HiddenKeys(keyColumnCount);
  try {
    for (const layer of layers.toReversed()) {
      const keys: string[] = [];
      for await (const text of readSegments(layer.rows)) {
        forEachRow(text, keyColumnCount, (key) => void keys.push(key));
        yield hidden.takeFrom(text);
      }
      for await (const text of readSegments(layer.removed)) {
        forEachRow(text, keyColumnCount, (key) => void keys.push(key));
        freeMemory(text);
      }
      hidden.add(keys);
    }
    for await (const text of readSegments(segments)) yield hidden.takeFrom(text);
  } finally {
    hidden.release();
  }
}

/** Keys whose rows lie higher, or are removed. */
class HiddenKeys {
  private readonly keyColumnCount: number;
  private readonly keys = new Set<string>();
  private scan: KeyScan | null = null;

  constructor(keyColumnCount: number) {
    this.keyColumnCount = keyColumnCount;
  }

  add(keys: readonly string[]): void {
    for (const key of keys) this.keys.add(key);
    this.release();
  }

  /** `text` without their rows: itself where it has none; else a copy of what is left, and `text` is freed. */
  takeFrom(text: Buffer): Buffer {
    if (this.keys.size === 0) return text;
    this.scan ??= this.makeScan();
    const kept: Buffer[] = [];
    let keptFrom = 0;
    for (const [start, keyEnd, end] of this.scan.find(text, "in")) {
      if (!this.keys.has(text.toString("latin1", start, keyEnd))) continue; // another key of the same hash
      if (start > keptFrom) kept.push(text.subarray(keptFrom, start));
      keptFrom = end;
    }
    if (keptFrom === 0) return text;
    if (keptFrom < text.length) kept.push(text.subarray(keptFrom));
    const rest = Buffer.concat(kept);
    freeMemory(text);
    return rest;
  }

  release(): void {
    this.scan?.release();
    this.scan = null;
  }

  private makeScan(): KeyScan {
    const scan = new KeyScan(this.keys.size, this.keyColumnCount);
    scan.add(Buffer.from(`${[...this.keys].join("\n")}\n`, "latin1"));
    return scan;
  }
}

/** Layered tables need the feature that says so; an older version must refuse what it would read wrongly. */
export const usesLayers = (tables: Manifest["tables"]): boolean =>
  tables.some((table) => (table.layers ?? []).length > 0);

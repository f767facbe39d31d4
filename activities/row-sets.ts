// Sets of one table's rows: how many they are, and their sums as a manifest's entry has them.
import type { RawBatchSegment } from "./batch.ts";

/** Of the organization's rows now. */
export interface TableCounts {
  readonly rows: number;
  /** By transactions since the newest manifest's snapshot. */
  readonly touchedRows: number;
}

export interface StoredRows {
  readonly rows: number;
  readonly rawBytes: number;
  readonly checksum: string;
}

export interface ChangedRows extends StoredRows {
  readonly segments: readonly RawBatchSegment[];
  readonly keys: ReadonlySet<string>;
}

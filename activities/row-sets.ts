// Rows of a table by their sums, as a manifest's entry has them.
import type { RawBatchSegment } from "./batch.ts";

export interface StoredRows {
  readonly rows: number;
  readonly rawBytes: number;
  readonly checksum: string;
}

export interface ChangedRows extends StoredRows {
  readonly segments: readonly RawBatchSegment[];
  readonly keys: ReadonlySet<string>;
}

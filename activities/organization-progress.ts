// What of an organization was collected so far.
import type { ClosureTable } from "../src/domain/catalogue.ts";
import type { MediaFile } from "../src/ports/media-source.ts";
import type { MediaEntry, TableEntry } from "../src/repository/manifest.ts";
import type { RawBatchSegment } from "./batch.ts";

/** A segment, or null where only progress was made (an unchanged table or file). */
export type Collected = RawBatchSegment | null;

export interface TableProgress {
  readonly table: ClosureTable;
  readonly segments: { id: string; rawBytes: number; rows: number }[];
  rows: number;
  rawBytes: number;
  checksum: string;
  /** The entry of an earlier manifest that still describes the table, and that manifest's sequence. */
  reused: TableEntry | null;
  reusedFrom: number | null;
  /** The sequence of the manifest since which the organization's rows have had the same keys; null where some came or went. */
  keysKeptSince: number | null;
  /**
   * Set where each row that came since that manifest was touched itself, not brought by its parent; of how many rows were
   * touched.
   */
  cameTouched: { readonly since: number; readonly touchedRows: number } | null;
  /** Set where only what changed was read: the entry that it lies on, and how many of `segments` hold rows (the rest keys).
   * `rows` and `rawBytes` count what was read, keys of removed rows included. */
  layer: {
    readonly base: TableEntry;
    readonly rowSegments: number;
    readonly rows: number;
    readonly rawBytes: number;
  } | null;
  done: boolean;
}

export interface MediaPath {
  readonly path: string;
  readonly table: string;
}

export interface FileProgress {
  readonly path: string;
  readonly file: MediaFile;
  readonly parts: { id: string; rawBytes: number }[];
  sha256: string;
  reused: MediaEntry | null;
  done: boolean;
}

/** What the session and the stages see of the collector. */
export interface OrganizationProgress {
  readonly tables: readonly TableProgress[];
  readonly files: readonly FileProgress[];
  readonly missing: readonly MediaPath[];
  readonly tablesDone: number;
  readonly filesDone: number;
  readonly filesTotal: number;
  /** The next segment; undefined when nothing is left. */
  next(): Promise<Collected | undefined>;
  /** What was handed out so far is safe on the bench. */
  commit(): void;
  /** Forgets what came after the last commit; the next call reads it again, on a fresh connection. */
  rewind(): Promise<void>;
}

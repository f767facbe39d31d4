// Cuts a table's COPY text into segments on row boundaries, where a keyed hash of the row's primary key says so, and sums
// an order-independent checksum of the rows on the way. Rules: FORMAT.md, "Segments". The bytes are never parsed further.
import { BackupError } from "../domain/errors.ts";
import { formatChecksum, makeMemory, releaseRowScan, slackBytes, takeRowScan, type RowScan } from "./row-scan.ts";

export interface RawSegment {
  /** Whole rows with their newlines; owns its bytes. */
  readonly raw: Buffer;
  readonly rows: number;
}

export interface SegmenterOptions {
  /** Secret of the organization: without it the cuts tell nothing about the keys. */
  readonly seed: bigint;
  /** How many of the first fields are the key; 0 = the whole row. */
  readonly keyColumnCount: number;
  readonly targetBytes?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  /** Memory for a segment's bytes. */
  readonly allocate?: (bytes: number) => Buffer;
}

/** Part of the format: other values cut elsewhere, and nothing stored before would be found again. */
export const segmentSizes = { targetBytes: 1024 * 1024, minBytes: 256 * 1024, maxBytes: 4 * 1024 * 1024 } as const;

/** Postgres itself gives no row of 1 GiB. A chunk may hold the end of one and more; positions stay below 2^31. */
const maxRowBytes = 1024 * 1024 * 1024;

export class RowSegmenter {
  rows = 0;
  rawBytes = 0;
  private readonly scan: RowScan;
  private readonly allocate: (bytes: number) => Buffer;
  private filled = 0;
  private finished = false;
  private sum = 0n;

  constructor(options: SegmenterOptions) {
    const { seed, keyColumnCount, targetBytes, minBytes, maxBytes } = { ...segmentSizes, ...options };
    this.scan = takeRowScan();
    this.allocate = options.allocate ?? ((bytes) => Buffer.allocUnsafeSlow(bytes));
    const certainBytes = targetBytes - minBytes;
    this.scan.begin(
      BigInt.asIntN(64, seed),
      keyColumnCount,
      minBytes,
      maxBytes,
      BigInt.asIntN(64, 2n ** 64n / BigInt(certainBytes)),
      certainBytes,
    );
  }

  /** 16 hex digits; complete after end(). */
  get checksum(): string {
    const sum = this.finished ? this.sum : (this.scan.checksum.value as bigint);
    return formatChecksum(sum);
  }

  push(chunk: Uint8Array): RawSegment[] {
    this.makeRoom(chunk.length);
    new Uint8Array(this.scan.memory.buffer).set(chunk, this.filled);
    this.filled += chunk.length;
    this.rawBytes += chunk.length;
    const segments: RawSegment[] = [];
    for (let cut = this.scan.scan(this.filled); cut !== 0; cut = this.scan.scan(this.filled))
      segments.push(this.take(cut));
    return segments;
  }

  /** Whether what was pushed so far ends with a newline, or is empty. */
  get endsWithRow(): boolean {
    return this.finished || (this.scan.rowStart.value as number) === this.filled;
  }

  /** The rest. @throws SourceRejected when the text does not end with a whole row. */
  end(): RawSegment[] {
    if (!this.endsWithRow) throw new BackupError("SourceRejected", "The COPY text ended in the middle of a row.");
    const segments = (this.scan.segmentRows.value as number) > 0 ? [this.take(this.filled)] : [];
    this.sum = this.scan.checksum.value as bigint;
    this.finished = true;
    releaseRowScan(this.scan);
    return segments;
  }

  private take(cut: number): RawSegment {
    const start = this.scan.segmentStart.value as number;
    const rows = this.scan.segmentRows.value as number;
    const raw = this.allocate(cut - start);
    raw.set(new Uint8Array(this.scan.memory.buffer, start, cut - start));
    this.scan.startSegment(cut);
    this.rows += rows;
    return { raw, rows };
  }

  private makeRoom(bytes: number): void {
    if (this.filled - (this.scan.rowStart.value as number) + bytes > maxRowBytes)
      throw new BackupError("BackupTooLarge", `A row is too large: it has at most ${maxRowBytes} bytes.`);
    if (this.filled + bytes + slackBytes <= this.scan.memory.buffer.byteLength) return;
    const start = this.scan.segmentStart.value as number;
    if (start > 0) {
      new Uint8Array(this.scan.memory.buffer).copyWithin(0, start, this.filled);
      this.scan.rebase(start);
      this.filled -= start;
    }
    makeMemory(this.scan, this.filled + bytes + slackBytes);
  }
}

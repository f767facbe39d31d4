// One batch on its way through the bench. Its stages are asked for together and work side by side: `compress` takes each
// segment as soon as `collect` has put it there, so that little is ever held uncompressed, and a batch can be large.
import { giveBackSegmentBuffer } from "../src/repository/segment-buffers.ts";
import type { CompressedSegment, SealedPack } from "../src/repository/pack.ts";
import type { CollectedBatch } from "./contract.ts";
import type { Reservation } from "./reservation.ts";

export interface RawBatchSegment {
  readonly id: string;
  readonly kind: "rows" | "file";
  readonly raw: Buffer;
  readonly rows: number;
}

/** A batch is in exactly one of these states; each stage replaces the one before it, and repeating a stage is harmless. */
export type BatchContent =
  | { readonly state: "open"; readonly raw: RawBatchSegment[]; readonly compressed: CompressedSegment[] }
  | { readonly state: "compressed"; readonly segments: readonly CompressedSegment[] }
  | { readonly state: "sealed"; readonly pack: SealedPack }
  | { readonly state: "stored"; readonly packName: string; readonly packBytes: number };

export class Batch {
  content: BatchContent = { state: "open", raw: [], compressed: [] };
  /** The answer of `collect`, once the batch has all that belongs to it. */
  collected: CollectedBatch | null = null;
  readonly reservation: Reservation;
  pendingBytes = 0;
  private compressedBytes = 0;

  constructor(reservation: Reservation) {
    this.reservation = reservation;
  }

  get heldBytes(): number {
    return this.pendingBytes + this.compressedBytes;
  }

  add(segment: RawBatchSegment): void {
    if (this.content.state !== "open") return;
    this.content.raw.push(segment);
    this.pendingBytes += segment.raw.length;
  }

  /** The first raw segment becomes its compressed self, in one step: a compress that is asked again goes on behind it. */
  replaceFirst(compressed: CompressedSegment): void {
    if (this.content.state !== "open") return;
    const taken = this.content.raw.shift();
    if (taken === undefined) return;
    this.pendingBytes -= taken.raw.length;
    giveBackSegmentBuffer(taken.raw);
    this.content.compressed.push(compressed);
    this.compressedBytes += compressed.compressed.length;
    if (this.collected !== null) this.reservation.shrinkTo(this.heldBytes);
  }

  /** From here nothing is added; what was reserved for more is given back. */
  close(collected: CollectedBatch): void {
    this.collected = collected;
    this.reservation.shrinkTo(this.heldBytes);
  }
}

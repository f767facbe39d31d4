// One batch on its way through the bench.
import type { CompressedSegment, SealedPack } from "../src/repository/vault.ts";
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
  | { readonly state: "raw"; readonly segments: readonly RawBatchSegment[] }
  | { readonly state: "compressed"; readonly segments: readonly CompressedSegment[] }
  | { readonly state: "sealed"; readonly pack: SealedPack }
  | { readonly state: "stored"; readonly packName: string; readonly packBytes: number };

export interface Batch {
  content: BatchContent;
  readonly collected: CollectedBatch;
  readonly reservation: Reservation;
}

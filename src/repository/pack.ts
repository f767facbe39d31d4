// A pack: the sealed segments of one batch, one frame each, then a sealed index of them, so that what a pack holds can be
// told without any manifest.
import { sha256 } from "../crypto/sha256.ts";
import { z } from "zod";
import {
  corrupt,
  frameOverheadBytes,
  headerBytes,
  isIntact,
  macBytes,
  maxFrameBytes,
  ObjectOpener,
  ObjectSealer,
  readClear,
  type ObjectPlace,
} from "../crypto/sealed-object.ts";
import type { OrganizationKeys } from "../crypto/organization-keys.ts";
import { BackupError } from "../domain/errors.ts";
import { limits } from "./limits.ts";
import { ownMemory } from "./owned-memory.ts";
import { parseSealedJson } from "./sealed-json.ts";

export interface CompressedSegment {
  readonly id: string;
  readonly kind: "rows" | "file";
  readonly rawBytes: number;
  readonly rows: number;
  readonly compressed: Buffer;
}

const indexSchema = z.array(
  z.strictObject({
    id: z.string().regex(/^[0-9a-f]{64}$/),
    offset: z.number().int().nonnegative(),
    length: z.number().int().positive(),
    rawBytes: z.number().int().nonnegative(),
    rows: z.number().int().nonnegative(),
  }),
);

export type PackIndexEntry = z.infer<typeof indexSchema>[number];

export interface SealedPack {
  /** SHA-256 of `bytes`, hex. */
  readonly name: string;
  /** May be freed (freeMemory). */
  readonly bytes: Buffer;
  readonly entries: readonly PackIndexEntry[];
}

/** Behind the final frame: the length of that frame, so that a reader finds it from the end. */
const trailerBytes = 4;
const noClear = Buffer.alloc(0);

/** @throws BackupTooLarge */
export function sealPack(
  keys: OrganizationKeys,
  place: ObjectPlace,
  segments: readonly CompressedSegment[],
): SealedPack {
  let offset = headerBytes;
  const entries = segments.map(({ id, rawBytes, rows, compressed }) => {
    const length = compressed.length + frameOverheadBytes;
    const entry = { id, offset, length, rawBytes, rows };
    offset += length;
    return entry;
  });
  const index = Buffer.from(JSON.stringify(entries));
  if (offset + index.length + frameOverheadBytes + trailerBytes + macBytes > limits.packBytes)
    throw new BackupError("BackupTooLarge", `A pack is too large: it holds at most ${limits.packBytes} bytes.`);
  const sealer = new ObjectSealer(
    keys,
    place,
    noClear,
    [...segments.map((segment) => segment.compressed.length), index.length],
    trailerBytes,
  );
  for (const { id, compressed } of segments) sealer.frame(compressed, false, Buffer.from(id, "hex"));
  const { length } = sealer.frame(index, true);
  const trailer = Buffer.alloc(trailerBytes);
  trailer.writeUInt32BE(length);
  sealer.trailer(trailer);
  const { bytes, hash: name } = sealer.finish();
  return { name, bytes: ownMemory(bytes), entries };
}

/**
 * The index of a whole pack: every byte is proven first, because what is built on the index (a run that was begun again)
 * is not read back before the next verification.
 * @throws ObjectCorrupt, ObjectForeign, FormatUnsupported
 */
export function readPackIndex(
  keys: OrganizationKeys,
  place: ObjectPlace,
  name: string,
  bytes: Buffer,
): readonly PackIndexEntry[] {
  readClear(place, bytes);
  if (sha256(bytes) !== name) throw corrupt(place, "its bytes are not the ones that its name states");
  const opener = new ObjectOpener(keys, place, bytes.subarray(0, headerBytes), noClear);
  if (!isIntact(keys.verificationKey, place, bytes)) throw corrupt(place, "it is damaged");
  const trailerAt = bytes.length - macBytes - trailerBytes;
  const length = trailerAt < headerBytes ? 0 : bytes.readUInt32BE(trailerAt);
  if (length < frameOverheadBytes || length > Math.min(trailerAt - headerBytes, maxFrameBytes))
    throw corrupt(place, "its index is damaged");
  const indexAt = trailerAt - length;
  const frame = bytes.subarray(indexAt, trailerAt);
  const number = frame.readUInt32BE(0);
  const entries = parseSealedJson(place, opener.frame(frame, { number, isFinal: true }), indexSchema);
  let at = headerBytes;
  for (const entry of entries) {
    if (entry.offset !== at) throw corrupt(place, "its index does not fit its frames");
    at += entry.length;
  }
  if (at !== indexAt || number !== entries.length) throw corrupt(place, "its index does not fit its frames");
  return entries;
}

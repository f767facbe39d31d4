// zstd, one shot for each segment of about 1 MiB: the streaming interface is a third slower, and one frame a segment is
// what range reads need. Level 1 that looks for matches of six bytes and more shrinks COPY text as well as level 2 (5.53 and
// 5.55 times on the sample weddings) in four fifths of its time; level 3 takes half as long again and gains nothing there.
import { promisify } from "node:util";
import { constants, zstdCompressSync, zstdDecompress } from "node:zlib";
import { BackupError } from "../domain/errors.ts";
import { ownMemory } from "./owned-memory.ts";

const params = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_minMatch]: 6,
  [constants.ZSTD_c_checksumFlag]: 0, // each segment is authenticated
};
/** Of the decompressor's output; a hostile size must not be allocated before there are bytes for it. */
const maxChunkBytes = 4 * 1024 * 1024;

/** A photo's part, which does not shrink, comes out in one piece instead of hundreds that are joined. */
const wholeFromBytes = 2 * 1024 * 1024;

/** What comes out may be freed (freeMemory). */
export function compressSegment(raw: Uint8Array): Buffer {
  if (raw.length < wholeFromBytes) return zstdCompressSync(raw, { params });
  const whole = zstdCompressSync(raw, { params, chunkSize: raw.length + raw.length / 128 + 1_024 });
  return ownMemory(whole.length > raw.length / 2 ? whole : Buffer.from(whole));
}

const decompress = promisify(zstdDecompress);

/**
 * @throws ObjectCorrupt unless exactly `rawBytes` come out; never allocates more than that. Off the thread: the reader
 * hashes and counts one segment while the next ones are decompressed. What comes out may be freed (freeMemory).
 */
export async function decompressSegment(compressed: Uint8Array, rawBytes: number): Promise<Buffer> {
  let raw: Buffer;
  try {
    // One piece of output instead of many of 16 KiB; a little longer than what is stated, so that more would be seen.
    const chunkSize = Math.min(Math.max(rawBytes + 64, 64), maxChunkBytes);
    raw = await decompress(compressed, { maxOutputLength: Math.max(rawBytes, 1), chunkSize });
  } catch (error) {
    throw new BackupError("ObjectCorrupt", "A segment could not be decompressed.", {}, { cause: error });
  }
  if (raw.length !== rawBytes)
    throw new BackupError("ObjectCorrupt", "A segment decompressed to another size than stated.");
  return ownMemory(raw);
}

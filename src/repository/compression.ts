// zstd, one shot for each segment of about 1 MiB: the streaming interface is a third slower, and one frame a segment is
// what range reads need. Level 1 that looks for matches of six bytes and more shrinks COPY text as well as level 2 (5.53 and
// 5.55 times on the sample weddings) in four fifths of its time; level 3 takes half as long again and gains nothing there.
import { promisify } from "node:util";
import { constants, zstdCompressSync, zstdDecompress } from "node:zlib";
import { BackupError } from "../domain/errors.ts";

const params = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_minMatch]: 6,
  [constants.ZSTD_c_checksumFlag]: 0, // each segment is authenticated
};
/** Of the decompressor's output; a hostile size must not be allocated before there are bytes for it. */
const maxChunkBytes = 4 * 1024 * 1024;

export function compressSegment(raw: Uint8Array): Buffer {
  return zstdCompressSync(raw, { params });
}

const decompress = promisify(zstdDecompress);

/**
 * @throws ObjectCorrupt unless exactly `rawBytes` come out; never allocates more than that. Off the thread: the reader
 * hashes and counts one segment while the next ones are decompressed.
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
  if (rawBytes >= Buffer.poolSize) owned.add(raw.buffer as ArrayBuffer); // smaller ones share Node's pool
  return raw;
}

/** Memory that holds one decompressed segment and nothing else. */
const owned = new WeakSet<ArrayBuffer>();

/**
 * Frees a decompressed segment's memory at once: what is left to the collector is collected late, and each segment would
 * take new pages. Nothing may refer to it any more. Anything else than a whole decompressed segment is left alone.
 */
export function freeSegment(raw: Buffer): void {
  const memory = raw.buffer as ArrayBuffer;
  if (owned.delete(memory)) memory.transfer(0);
}

// zstd, one shot for each segment of about 1 MiB: the streaming interface is a third slower, and one frame a segment is
// what range reads need. Level 1 that looks for matches of six bytes and more shrinks COPY text as well as level 2 (5.53 and
// 5.55 times on the sample weddings) in four fifths of its time; level 3 takes half as long again and gains nothing there.
import { promisify } from "node:util";
import { constants, zstdCompressSync, zstdDecompress } from "node:zlib";
import { BackupError } from "../domain/errors.ts";
import { freeMemory, ownMemory } from "./owned-memory.ts";

const params = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_minMatch]: 6,
  [constants.ZSTD_c_checksumFlag]: 0, // each segment is authenticated
};
/** Of the decompressor's output; a hostile size must not be allocated before there are bytes for it. */
const maxChunkBytes = 4 * 1024 * 1024;

/** Rows are cut at about half of it; the parts of a file that are as long or longer are mostly photos, which don't shrink. */
const photoPartBytes = 2 * 1024 * 1024;

/** What zstd adds to what it can't shrink, with room. */
const boundOf = (bytes: number): number => bytes + bytes / 128 + 1_024;

/**
 * What comes out may be freed (freeMemory). It is made in one piece, as long as rows and photos come to, and kept in
 * memory of its own length: pieces of 16 KiB that are joined are left to the collector, by the hundred.
 */
export function compressSegment(raw: Uint8Array): Buffer {
  const mayShrink = raw.length < photoPartBytes;
  const chunkSize = Math.ceil(mayShrink ? raw.length / 2 + 1_024 : boundOf(raw.length));
  const made = ownMemory(zstdCompressSync(raw, { params, chunkSize }));
  if (made.length > made.buffer.byteLength / 2) return made;
  const kept = ownMemory(Buffer.from(made));
  freeMemory(made);
  return kept;
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

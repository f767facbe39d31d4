// Files that only their owner may read, on the disk when they count as written. None is ever written over.
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BackupError } from "../domain/errors.ts";

export const writePrivate = (path: string, text: string): Promise<void> =>
  writeFile(path, text, { mode: 0o600, flag: "wx", flush: true });

/**
 * The content is proven by its reader; here that all of it reached the file. `expectedBytes` is asked at the end.
 *
 * @throws RecoverMismatch
 */
export async function writeProven(
  path: string,
  content: AsyncIterable<Buffer>,
  expectedBytes: () => number | null,
  onBytes: (bytes: number) => void,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  const hashed = async function* (): AsyncGenerator<Buffer> {
    for await (const raw of content) {
      hash.update(raw);
      bytes += raw.length;
      onBytes(raw.length);
      yield raw;
    }
  };
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await pipeline(
    Readable.from(hashed(), { objectMode: false }),
    createWriteStream(path, { mode: 0o600, flags: "wx", flush: true }),
  );
  const { size } = await stat(path);
  const expected = expectedBytes() ?? bytes;
  if (size !== expected)
    throw new BackupError("RecoverMismatch", `${basename(path)} has ${size} bytes on the disk instead of ${expected}.`);
  return { sha256: hash.digest("hex"), bytes };
}

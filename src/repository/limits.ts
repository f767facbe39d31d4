// How big things may be. A writer refuses to go beyond (BackupTooLarge), so that a reader can take anything bigger for an
// attack: it looks at an object's size before it reads a byte of it.
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";

const MiB = 1024 * 1024;

export const limits = {
  /** repository, roots/…, keys/…: a few hundred bytes in truth. */
  recordBytes: 64 * 1024,
  /** Key descriptors that are looked at; each may cost a key derivation of a passphrase. */
  roots: 16,
  /** A million segments make some 200 MB. V8 can't hold a text of 512 MiB. */
  manifestJsonBytes: 400 * MiB,
  manifestBytes: 448 * MiB,
  /** A million quarantined packs make some 100 MB of text. */
  releaseJsonBytes: 200 * MiB,
  releaseBytes: 248 * MiB,
  /** The greatest row (Postgres: below 1 GiB) on top of a batch of 32 MiB, with room; Node reads no file of 2 GiB at once. */
  packBytes: 1536 * MiB,
  manifestSequence: 9_999_999_999,
} as const;

/** @throws ObjectMissing; ObjectCorrupt when it is bigger than this format writes, before reading it. */
export async function readBounded(store: ObjectStore, key: string, maxBytes: number): Promise<Buffer> {
  const stored = await store.stat(key);
  if (stored === null)
    throw new BackupError("ObjectMissing", `${store.description}: ${key} is not there`, { object: key });
  refuseOversize(key, stored.sizeBytes, maxBytes);
  return await store.read(key);
}

/** @throws ObjectCorrupt */
export function refuseOversize(key: string, sizeBytes: number, maxBytes: number): void {
  if (sizeBytes <= maxBytes) return;
  throw new BackupError("ObjectCorrupt", `${key} has ${sizeBytes} bytes; this format writes at most ${maxBytes}.`, {
    object: key,
  });
}

// Objects in memory, for tests of what lies above the store.
import { BackupError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import { checkKey, checkPrefix, checkRange } from "./check-key.ts";
import { singleVersions } from "./single-versions.ts";

export interface MemoryStore extends ObjectStore {
  /** The stored bytes themselves, for tests that damage them. */
  readonly objects: Map<string, Buffer>;
}

export function createMemoryStore(): MemoryStore {
  const objects = new Map<string, Buffer>();
  const modifiedAt = new Date();
  const store: Omit<MemoryStore, "listVersions" | "destroy" | "listLocks"> = {
    description: "memory",
    objects,
    async create(key, body, { signal } = {}) {
      checkKey(key);
      signal?.throwIfAborted();
      if (objects.has(key)) throw new BackupError("ObjectExists", `memory: ${key} exists`, { object: key });
      objects.set(key, Buffer.from(body));
    },
    async read(key, { range, signal } = {}) {
      checkKey(key);
      if (range !== undefined) checkRange(range);
      signal?.throwIfAborted();
      const bytes = objects.get(key);
      if (bytes === undefined) throw new BackupError("ObjectMissing", `memory: ${key} is not there`, { object: key });
      return Buffer.from(range === undefined ? bytes : bytes.subarray(range.offset, range.offset + range.length));
    },
    async stat(key) {
      checkKey(key);
      const bytes = objects.get(key);
      return bytes === undefined ? null : { key, sizeBytes: bytes.length, modifiedAt };
    },
    async *list(prefix) {
      checkPrefix(prefix);
      for (const key of [...objects.keys()].sort()) {
        const bytes = objects.get(key);
        if (bytes !== undefined && key.startsWith(prefix)) yield { key, sizeBytes: bytes.length, modifiedAt };
      }
    },
    async delete(keys) {
      for (const key of keys) checkKey(key);
      for (const key of keys) objects.delete(key);
    },
    async close() {},
  };
  return { ...store, ...singleVersions(store) };
}

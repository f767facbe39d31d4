// Objects in memory, for tests of what lies above the store.
import { BackupError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import { checkKey, checkPrefix, checkRange } from "./check-key.ts";
import { singleVersions } from "./single-versions.ts";

export interface MemoryStore extends ObjectStore {
  /** The stored bytes themselves, for tests that damage them. */
  readonly objects: Map<string, Buffer>;
}

/** `now`: for tests that let time pass. */
export function createMemoryStore(now: () => Date = () => new Date()): MemoryStore {
  const objects = new Map<string, Buffer>();
  const startedAt = now();
  const createdAt = new Map<string, Date>();
  const describe = (key: string, bytes: Buffer) => ({
    key,
    sizeBytes: bytes.length,
    modifiedAt: createdAt.get(key) ?? startedAt,
  });
  const store: Omit<MemoryStore, "listVersions" | "destroy" | "listLocks"> = {
    description: "memory",
    objects,
    async create(key, body, { signal } = {}) {
      checkKey(key);
      signal?.throwIfAborted();
      if (objects.has(key)) throw new BackupError("ObjectExists", `memory: ${key} exists`, { object: key });
      objects.set(key, Buffer.from(body));
      createdAt.set(key, now());
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
      return bytes === undefined ? null : describe(key, bytes);
    },
    async *list(prefix) {
      checkPrefix(prefix);
      for (const key of [...objects.keys()].sort()) {
        const bytes = objects.get(key);
        if (bytes !== undefined && key.startsWith(prefix)) yield describe(key, bytes);
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

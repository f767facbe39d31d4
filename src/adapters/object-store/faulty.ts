// A store that fails where a test says: before a call does anything, or after it did everything and only the answer got
// lost. It counts calls, so that a test can walk through every one of them.
import { BackupError, type ErrorCode } from "../../domain/errors.ts";
import type { ObjectStore } from "../../ports/object-store.ts";

export type StoreMethod = "create" | "read" | "stat" | "list" | "delete" | "listVersions" | "destroy" | "listLocks";

export interface Fault {
  /** Counts from 1 over all calls of all methods. */
  readonly call: number;
  readonly when: "before" | "after";
  readonly code: ErrorCode;
}

export interface FaultyStore extends ObjectStore {
  readonly calls: StoreMethod[];
  faults: Fault[];
}

export function withFaults(store: ObjectStore, faults: Fault[] = []): FaultyStore {
  const calls: StoreMethod[] = [];
  async function guarded<T>(method: StoreMethod, run: () => Promise<T>): Promise<T> {
    calls.push(method);
    const fault = faulty.faults.find((candidate) => candidate.call === calls.length);
    const fail = (): never => {
      throw new BackupError(
        fault?.code ?? "StorageUnreachable",
        `planned fault ${fault?.when} call ${fault?.call}, ${method}`,
      );
    };
    if (fault?.when === "before") fail();
    const result = await run();
    if (fault?.when === "after") fail();
    return result;
  }
  const faulty: FaultyStore = {
    description: store.description,
    calls,
    faults,
    create: (...parameters) => guarded("create", () => store.create(...parameters)),
    read: (...parameters) => guarded("read", () => store.read(...parameters)),
    stat: (key) => guarded("stat", () => store.stat(key)),
    async *list(prefix) {
      yield* await guarded("list", async () => store.list(prefix));
    },
    delete: (keys) => guarded("delete", () => store.delete(keys)),
    async *listVersions(prefix) {
      yield* await guarded("listVersions", async () => store.listVersions(prefix));
    },
    destroy: (versions) => guarded("destroy", () => store.destroy(versions)),
    async *listLocks(prefix) {
      yield* await guarded("listLocks", async () => store.listLocks(prefix));
    },
    close: () => store.close(),
  };
  return faulty;
}

// What erasure asks of a store, for stores that keep one version of an object and know no locks.
import type { ObjectStore } from "../../ports/object-store.ts";

export function singleVersions({
  list,
  delete: remove,
}: Pick<ObjectStore, "list" | "delete">): Pick<ObjectStore, "listVersions" | "destroy" | "listLocks"> {
  return {
    async *listVersions(prefix) {
      for await (const { key, sizeBytes } of list(prefix)) yield { key, sizeBytes, kind: "version", versionId: null };
    },
    async destroy(versions) {
      await remove(versions.map(({ key }) => key));
      return [];
    },
    async *listLocks() {},
  };
}

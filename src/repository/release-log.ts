// The organization's release records in the store. Written create-only under the next number, so that of two runs that
// prune at once one learns that it was not alone; read by their newest.
import type { OrganizationKeys } from "../crypto/organization-keys.ts";
import type { ObjectPlace } from "../crypto/sealed-object.ts";
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { limits, readBounded } from "./limits.ts";
import { parseNumberedName, releaseKey, releasesPrefix } from "./names.ts";
import { openReleaseRecord, sealReleaseRecord, type ReleaseRecord } from "./release-record.ts";

export interface ReleaseLog {
  /** Null = nothing was ever let go. @throws ObjectCorrupt, ObjectForeign, FormatUnsupported */
  read(): Promise<ReleaseRecord | null>;
  /** @throws OrganizationBusy when the number is taken: another run was faster. */
  append(record: ReleaseRecord): Promise<void>;
  /** What older records say, the newer ones say, too. */
  removeOlderThan(number: number): Promise<void>;
}

export function createReleaseLog(
  store: ObjectStore,
  organizationId: string,
  keys: OrganizationKeys,
  placeOf: (objectKey: string, number: number) => ObjectPlace,
): ReleaseLog {
  const prefix = releasesPrefix(organizationId);
  async function listNumbers(): Promise<number[]> {
    const numbers: number[] = [];
    for await (const { key } of store.list(prefix)) {
      const number = parseNumberedName(key.slice(prefix.length));
      if (number !== null) numbers.push(number);
    }
    return numbers;
  }
  return {
    async read() {
      for (let before = 0; ;) {
        const newest = (await listNumbers()).at(-1);
        if (newest === undefined) return null;
        const key = releaseKey(organizationId, newest);
        try {
          const bytes = await readBounded(store, key, limits.releaseBytes);
          return await openReleaseRecord(keys, placeOf(key, newest), bytes);
        } catch (error) {
          // A newer one was written between the two calls, and this one removed.
          const isGone = error instanceof BackupError && error.code === "ObjectMissing";
          if (!isGone || newest === before) throw error;
          before = newest;
        }
      }
    },
    async append(record) {
      const key = releaseKey(organizationId, record.number);
      try {
        await store.create(key, sealReleaseRecord(keys, placeOf(key, record.number), record));
      } catch (error) {
        if (!(error instanceof BackupError && error.code === "ObjectExists")) throw error;
        throw new BackupError(
          "OrganizationBusy",
          `Backups of organization ${organizationId} are being released by another run; try again.`,
          { organizationId },
          { cause: error },
        );
      }
    },
    async removeOlderThan(number) {
      const older = (await listNumbers()).filter((each) => each < number);
      if (older.length > 0) await store.delete(older.map((each) => releaseKey(organizationId, each)));
    },
  };
}

// What stays of an erased organization in the store: a record that it was erased, so that the bucket alone (a recovery, a
// copy of the control tables from before) knows it, too. It lies outside the organization's folder, under a hash instead
// of the id, and is proven by a key that is derived from the root key.
//
// What must hold: it is written before the organization's keys are looked for, and whoever writes a key looks for it
// afterwards. So either the erasure finds that key, or its writer finds the tombstone (as with rotations, see
// open-organization.ts).
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { hmac } from "../crypto/organization-keys.ts";
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { limits, readBounded } from "./limits.ts";
import { erasedPrefix } from "./names.ts";
import { createIfAbsent, decodeRecord, encodeRecord } from "./records.ts";
import { listRootKeyIds, rootRotated, type RootKey } from "./roots.ts";
import type { KeyPlace } from "./wrapped-keys.ts";

export interface Tombstone {
  readonly erasureId: string;
  /** ISO 8601 UTC. */
  readonly orderedAt: string;
}

const tombstoneSchema = z.strictObject({
  rootKeyId: z.string().regex(/^[0-9a-f]{16}$/),
  erasureId: z.uuid(),
  orderedAt: z.iso.datetime(),
  /** HMAC-SHA256(erasure key, place and the fields above), hex. */
  mac: z.string().regex(/^[0-9a-f]{64}$/),
});

/** The id itself would be the one personal thing left. */
export function erasedFolder({ repositoryId, organizationId }: KeyPlace): string {
  const name = createHash("sha256").update(
    JSON.stringify(["wedsync-backup v1", "erased", repositoryId, organizationId]),
  );
  return `${erasedPrefix}${name.digest("hex")}/`;
}

function tombstoneMac(
  root: RootKey,
  repositoryId: string,
  folder: string,
  { erasureId, orderedAt }: Tombstone,
): Buffer {
  const content = ["wedsync-backup v1", "tombstone", repositoryId, folder, root.rootKeyId, erasureId, orderedAt];
  return hmac(root.erasureKey, Buffer.from(JSON.stringify(content)));
}

/** The first one stays: an erasure that goes on after a crash writes the same, and a later one changes nothing. */
export async function writeTombstone(
  store: ObjectStore,
  place: KeyPlace,
  root: RootKey,
  tombstone: Tombstone,
): Promise<void> {
  if (!(await listRootKeyIds(store)).includes(root.rootKeyId)) throw rootRotated();
  await writeUnder(store, place.repositoryId, erasedFolder(place), root, tombstone);
}

async function writeUnder(
  store: ObjectStore,
  repositoryId: string,
  folder: string,
  root: RootKey,
  { erasureId, orderedAt }: Tombstone,
): Promise<void> {
  const { rootKeyId } = root;
  const mac = tombstoneMac(root, repositoryId, folder, { erasureId, orderedAt }).toString("hex");
  await createIfAbsent(store, `${folder}${rootKeyId}`, encodeRecord({ rootKeyId, erasureId, orderedAt, mac }));
}

async function readUnder(
  store: ObjectStore,
  repositoryId: string,
  folder: string,
  root: RootKey,
): Promise<Tombstone | null> {
  const objectKey = `${folder}${root.rootKeyId}`;
  const bytes = await readBounded(store, objectKey, limits.recordBytes).catch((error: unknown) => {
    if (error instanceof BackupError && error.code === "ObjectMissing") return null;
    throw error;
  });
  if (bytes === null) return null;
  const { rootKeyId, erasureId, orderedAt, mac } = decodeRecord(objectKey, bytes, tombstoneSchema);
  const expected = tombstoneMac(root, repositoryId, folder, { erasureId, orderedAt });
  if (rootKeyId !== root.rootKeyId || !timingSafeEqual(expected, Buffer.from(mac, "hex")))
    throw new BackupError("ObjectForeign", `${objectKey} was not written by a holder of this repository's key.`, {
      object: objectKey,
    });
  return { erasureId, orderedAt };
}

/** Null when there is none under this root. @throws ObjectForeign, ObjectCorrupt */
export const readTombstone = (store: ObjectStore, place: KeyPlace, root: RootKey): Promise<Tombstone | null> =>
  readUnder(store, place.repositoryId, erasedFolder(place), root);

/** Needs no key: what a holder of the verification key can see. */
export async function isMarkedErased(store: ObjectStore, place: KeyPlace): Promise<boolean> {
  for await (const _ of store.list(erasedFolder(place))) return true;
  return false;
}

/** Those of the ids that are not marked: a copy of an erased one's objects may have been put back. */
export async function withoutErased(
  store: ObjectStore,
  repositoryId: string,
  ids: readonly string[],
): Promise<string[]> {
  const folders = new Set(await listFolders(store));
  return ids.filter((organizationId) => !folders.has(erasedFolder({ repositoryId, organizationId })));
}

/**
 * One under another root (a rotation that did not end) can't be proven here, and is believed: to refuse an organization by
 * mistake can be mended, to bring an erased one back can't.
 * @throws OrganizationErased; ObjectForeign or ObjectCorrupt for a forged or damaged one
 */
export async function assertNotErased(store: ObjectStore, place: KeyPlace, root: RootKey): Promise<void> {
  if (!(await isMarkedErased(store, place))) return;
  const tombstone = await readTombstone(store, place, root);
  throw new BackupError(
    "OrganizationErased",
    `The backups of organization ${place.organizationId} were erased${tombstone === null ? "" : ` (ordered ${tombstone.orderedAt}, erasure ${tombstone.erasureId})`}; nothing of it can be read, restored or backed up again.`,
    { organizationId: place.organizationId, ...(tombstone === null ? {} : { erasureId: tombstone.erasureId }) },
  );
}

/** Part of a rotation: each proven tombstone is written once more, under the new root. */
export async function carryTombstones(
  store: ObjectStore,
  repositoryId: string,
  from: RootKey,
  to: RootKey,
): Promise<void> {
  for (const folder of await listFolders(store)) {
    const tombstone = await readUnder(store, repositoryId, folder, from);
    if (tombstone !== null) await writeUnder(store, repositoryId, folder, to, tombstone);
  }
}

/** The last part of a rotation, for the root that goes. One that was not carried over stays: it still refuses. */
export async function dropTombstones(store: ObjectStore, rootKeyId: string, kept: RootKey): Promise<void> {
  const carried: string[] = [];
  for (const folder of await listFolders(store))
    if ((await store.stat(`${folder}${kept.rootKeyId}`)) !== null) carried.push(`${folder}${rootKeyId}`);
  await store.delete(carried);
}

async function listFolders(store: ObjectStore): Promise<string[]> {
  const folders = new Set<string>();
  for await (const { key } of store.list(erasedPrefix)) {
    const folder = /^erased\/[0-9a-f]{64}\//.exec(key)?.[0];
    if (folder !== undefined) folders.add(folder);
  }
  return [...folders];
}

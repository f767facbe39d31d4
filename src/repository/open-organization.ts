// Opens an organization's key, or makes it with the first backup.
//
// Nothing is kept between calls: a key that was destroyed (erasure) or wrapped by another root (rotation) in the meantime
// must not be written with.
import { randomBytes } from "node:crypto";
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { holdsData } from "./rotate-root-key.ts";
import { wrappedKeysPrefix } from "./names.ts";
import { listRootKeyIds, rootRotated, type RootKey } from "./roots.ts";
import { assertNotErased } from "./tombstone.ts";
import { listWrappings, readWrappedKey, writeWrappedKey, type KeyPlace } from "./wrapped-keys.ts";

/** @throws OrganizationErased, BackupNotFound, EncryptionKeyWrong, ObjectMissing, ObjectForeign, ObjectCorrupt */
export async function openToRead(store: ObjectStore, place: KeyPlace, root: RootKey): Promise<Buffer> {
  // Also where a key is there: a copy of it may have been put back.
  const [key] = await Promise.all([readWrappedKey(store, place, root), assertNotErased(store, place, root)]);
  if (key !== null) return key;
  await refuseLostKey(store, place, root);
  throw new BackupError(
    "BackupNotFound",
    `There is no backup of organization ${place.organizationId} in ${store.description}.`,
    { organizationId: place.organizationId },
  );
}

/** @throws KeyRotationUnfinished, and what openToRead throws. */
export async function openToWrite(store: ObjectStore, place: KeyPlace, root: RootKey): Promise<Buffer> {
  const [present] = await Promise.all([readWrappedKey(store, place, root), assertNotErased(store, place, root)]);
  let key = present;
  if (key === null) {
    await refuseLostKey(store, place, root);
    await writeWrappedKey(store, place, root, randomBytes(32));
    // Read back: another process may have been first, and then its key counts.
    key = await readWrappedKey(store, place, root);
    // Again, now that the key is there: an erasure writes its tombstone before it looks for keys (tombstone.ts).
    await assertNotErased(store, place, root);
    if (key === null) throw new BackupError("ObjectMissing", "A key that was just written can't be found.");
  }
  // After the key is there: a rotation writes its root before it lists the organizations. So whoever sees one root here
  // has a key that every rotation will see.
  const roots = await listRootKeyIds(store);
  if (!roots.includes(root.rootKeyId)) throw rootRotated();
  if (roots.length > 1)
    throw new BackupError(
      "KeyRotationUnfinished",
      "The root key is being rotated. If no rotation is running, end it: run `wedsync-backup keys rotate` again with the same keys, or with the key to keep as both the present and the new one.",
    );
  return key;
}

/** A second key beside one that sealed backups would hide them: only an organization without any may have a new one. */
async function refuseLostKey(store: ObjectStore, { organizationId }: KeyPlace, root: RootKey): Promise<void> {
  const roots = await listRootKeyIds(store);
  const wrappings = (await listWrappings(store, organizationId)).filter((rootKeyId) => roots.includes(rootKeyId));
  if (!roots.includes(root.rootKeyId) || wrappings.length > 0) throw rootRotated();
  if (await holdsData(store, organizationId))
    throw new BackupError(
      "ObjectMissing",
      `The key of organization ${organizationId} is gone: without it nobody can read its backups. Bring ${wrappedKeysPrefix(organizationId)} back from a copy of the store, or an earlier version of the object. If there is none, its backups are lost; to back it up again, remove what is left of them.`,
      { organizationId },
    );
}

// Rotation of the root key: every organization's key is wrapped once more, no backup is rewritten.
//
// What must hold, whenever it stops: each organization's key opens with the old root key or with the new one, and running
// it again ends it. New wrappings are read back before anything of the old key goes. While two roots are there no
// organization is opened for writing (open-organization.ts), so none is missed.
import type { ObjectStore } from "../ports/object-store.ts";
import { BackupError } from "../domain/errors.ts";
import { manifestsPrefix, packsPrefix, rootKey, wrappedKeyKey } from "./names.ts";
import { openErasure } from "./erasure.ts";
import { listRootKeyIds, type RootKey } from "./roots.ts";
import { carryTombstones, dropTombstones, isMarkedErased } from "./tombstone.ts";
import { readWrappedKey, writeWrappedKey, type KeyPlace } from "./wrapped-keys.ts";

/** `from` = `to` ends a rotation that was begun towards some other key: that key's leftovers go. */
export async function rotateRootKey(
  store: ObjectStore,
  repositoryId: string,
  organizations: readonly string[],
  from: RootKey,
  to: RootKey,
): Promise<void> {
  for (const organizationId of organizations) await wrapAgain(store, { repositoryId, organizationId }, from, to);
  await carryTombstones(store, repositoryId, from, to);
  const retired =
    from.rootKeyId === to.rootKeyId
      ? (await listRootKeyIds(store)).filter((rootKeyId) => rootKeyId !== to.rootKeyId)
      : [from.rootKeyId];
  for (const rootKeyId of retired) {
    // The descriptor last: as long as it is there, the old key can run this again.
    await store.delete(organizations.map((organizationId) => wrappedKeyKey(organizationId, rootKeyId)));
    await dropTombstones(store, rootKeyId, to);
    await store.delete([rootKey(rootKeyId)]);
  }
}

async function wrapAgain(store: ObjectStore, place: KeyPlace, from: RootKey, to: RootKey): Promise<void> {
  const before = await readWrappedKey(store, place, from);
  if (before !== null && from.rootKeyId !== to.rootKeyId) await writeWrappedKey(store, place, to, before);
  if (await isMarkedErased(store, place)) {
    // Erased since `before` was read: the key must not come back by this wrapping.
    await openErasure(store, place, to).destroyKeys();
    return;
  }
  const after = await readWrappedKey(store, place, to);
  if (after === null && !(await holdsData(store, place.organizationId))) return; // a key that never sealed anything
  if (after === null)
    throw new BackupError(
      "ObjectMissing",
      `The key of organization ${place.organizationId} is gone. Nothing of the old root key was removed.`,
      { organizationId: place.organizationId },
    );
  if (before !== null && !before.equals(after))
    throw new BackupError(
      "ObjectCorrupt",
      `${wrappedKeyKey(place.organizationId, to.rootKeyId)} wraps another key. Nothing of the old root key was removed.`,
      { organizationId: place.organizationId },
    );
}

export async function holdsData(store: ObjectStore, organizationId: string): Promise<boolean> {
  for (const prefix of [manifestsPrefix(organizationId), packsPrefix(organizationId)]) {
    for await (const _ of store.list(prefix)) return true;
  }
  return false;
}

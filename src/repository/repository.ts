// The repository in a store: its identity, its root keys, and each organization's vault. Opening needs the store and
// BACKUP_ENCRYPTION_KEY, nothing else.
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { deriveOrganizationKeys } from "../crypto/organization-keys.ts";
import { parseKeyText } from "../crypto/root-key.ts";
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { limits, readBounded } from "./limits.ts";
import { decodeOrganization, organizationsPrefix, repositoryKey, rootsPrefix } from "./names.ts";
import { openToRead, openToWrite } from "./open-organization.ts";
import { createIfAbsent, decodeRecord, encodeRecord } from "./records.ts";
import { openErasure, type OrganizationErasure } from "./erasure.ts";
import { findRoot, writeRoot } from "./roots.ts";
import { rotateRootKey } from "./rotate-root-key.ts";
import { withoutErased } from "./tombstone.ts";
import { createVault, type OrganizationVault } from "./vault.ts";

const repositorySchema = z.strictObject({
  format: z.literal("wedsync-backup"),
  formatVersion: z.literal(1),
  features: z.array(z.never()),
  repositoryId: z.uuid(),
  createdAt: z.string(),
});

export interface Repository {
  readonly id: string;
  readonly store: ObjectStore;
  listOrganizations(): Promise<string[]>;
  /**
   * `create`: the caller will write, and an organization without a backup gets its key.
   * @throws BackupNotFound when the organization has no backup and `create` is not set; KeyRotationUnfinished when it is;
   *   OrganizationErased.
   */
  openVault(organizationId: string, options?: { create?: boolean }): Promise<OrganizationVault>;
  /** What an erasure of the organization does to the store. */
  erasure(organizationId: string): OrganizationErasure;
  /** Wraps every organization's key by a new root key; no backup is rewritten. The old root key opens nothing afterwards. */
  rotateRootKey(newKeyText: string): Promise<{ organizations: readonly string[] }>;
}

export async function createOrOpenRepository(store: ObjectStore, keyText: string): Promise<Repository> {
  const key = parseKeyText(keyText);
  if ((await store.stat(repositoryKey)) === null) {
    if ((await hasAny(store, rootsPrefix)) || (await hasAny(store, organizationsPrefix))) throw recordLost(store);
    // Create-only: of two first starts at the same moment one makes the record, and both go on with it.
    await createIfAbsent(
      store,
      repositoryKey,
      encodeRecord({
        format: "wedsync-backup",
        formatVersion: 1,
        features: [],
        repositoryId: randomUUID(),
        createdAt: new Date().toISOString(),
      }),
    );
  }
  // A start that was cut off behind the record: nothing was sealed yet, so the key may still be chosen.
  if (!(await hasAny(store, rootsPrefix)) && !(await hasAny(store, organizationsPrefix)))
    await writeRoot(store, (await readRecord(store)).bytes, key);
  return await openRepository(store, keyText);
}

/** @throws RepositoryMissing, EncryptionKeyInvalid, EncryptionKeyWrong, FormatUnsupported, ObjectCorrupt, ObjectMissing */
export async function openRepository(store: ObjectStore, keyText: string): Promise<Repository> {
  const key = parseKeyText(keyText);
  const { bytes, repositoryId } = await readRecord(store);
  let root = await findRoot(store, bytes, key);

  return {
    id: repositoryId,
    store,
    listOrganizations: async () => await withoutErased(store, repositoryId, await listOrganizations(store)),
    async openVault(organizationId, { create = false } = {}) {
      const place = { repositoryId, organizationId };
      const organizationKey = await (create ? openToWrite : openToRead)(store, place, root);
      const keys = deriveOrganizationKeys(organizationKey);
      return createVault({ store, repositoryId, repositoryRecord: bytes, organizationId, keys });
    },
    erasure: (organizationId) => openErasure(store, { repositoryId, organizationId }, root),
    async rotateRootKey(newKeyText) {
      const next = await writeRoot(store, bytes, parseKeyText(newKeyText));
      const organizations = await listOrganizations(store);
      await rotateRootKey(store, repositoryId, organizations, root, next);
      root = next;
      return { organizations };
    },
  };
}

async function readRecord(store: ObjectStore): Promise<{ bytes: Buffer; repositoryId: string }> {
  try {
    const bytes = await readBounded(store, repositoryKey, limits.recordBytes);
    return { bytes, repositoryId: decodeRecord(repositoryKey, bytes, repositorySchema).repositoryId };
  } catch (error) {
    if (!(error instanceof BackupError && error.code === "ObjectMissing")) throw error;
    if ((await hasAny(store, rootsPrefix)) || (await hasAny(store, organizationsPrefix))) throw recordLost(store);
    throw new BackupError(
      "RepositoryMissing",
      `There is no backup repository in ${store.description}. Check BACKUP_STORAGE_BUCKET; a first backup makes one.`,
      {},
      { cause: error },
    );
  }
}

const recordLost = (store: ObjectStore): BackupError =>
  new BackupError(
    "ObjectMissing",
    `The repository in ${store.description} has lost its record (${repositoryKey}). Bring that object back from a copy of the store; to begin anew, name an empty bucket.`,
    { object: repositoryKey },
  );

/** Those that have a key; a folder that no organization id is written as is not ours and is passed over. */
async function listOrganizations(store: ObjectStore): Promise<string[]> {
  const found = new Set<string>();
  for await (const { key } of store.list(organizationsPrefix)) {
    const [part = "", folder] = key.slice(organizationsPrefix.length).split("/");
    const organizationId = folder === "keys" ? decodeOrganization(part) : null;
    if (organizationId !== null) found.add(organizationId);
  }
  return [...found].sort();
}

async function hasAny(store: ObjectStore, prefix: string): Promise<boolean> {
  for await (const _ of store.list(prefix)) return true;
  return false;
}

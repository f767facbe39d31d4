// The repository in a store: its identity, its root keys, and each organization's vault. Opening needs the store and
// BACKUP_ENCRYPTION_KEY, nothing else.
import { randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { deriveOrganizationKeys, deriveRootUses, hmac, unwrapKey, wrapKey } from "../crypto/organization-keys.ts";
import { deriveRootKey, parseKeyText, pbkdf2Iterations, type KeyDerivation, type KeyText } from "../crypto/root-key.ts";
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import {
  decodeOrganization,
  organizationsPrefix,
  repositoryKey,
  rootKey,
  rootsPrefix,
  wrappedKeyKey,
} from "./names.ts";
import { decodeRecord, encodeRecord } from "./records.ts";
import { createVault, type OrganizationVault } from "./vault.ts";

const repositorySchema = z.strictObject({
  format: z.literal("wedsync-backup"),
  formatVersion: z.literal(1),
  features: z.array(z.never()),
  repositoryId: z.uuid(),
  createdAt: z.string(),
});

const rootSchema = z.strictObject({
  rootKeyId: z.string().regex(/^[0-9a-f]{16}$/),
  kind: z.enum(["none", "pbkdf2-hmac-sha256"]),
  salt: z.string(),
  iterations: z.number().int(),
  /** HMAC over the repository record and this record's other fields: tells a wrong key from damage. */
  check: z.string(),
});

const wrappedKeySchema = z.strictObject({ epoch: z.literal(1), rootKeyId: z.string(), wrapped: z.string() });

export interface Repository {
  readonly id: string;
  readonly store: ObjectStore;
  listOrganizations(): Promise<string[]>;
  /** @throws BackupNotFound when the organization has no backup and `create` is not set. */
  openVault(organizationId: string, options?: { create?: boolean }): Promise<OrganizationVault>;
  /** Wraps every organization's key by a new root key; no backup is rewritten. The old root key opens nothing afterwards. */
  rotateRootKey(newKeyText: string): Promise<{ organizations: number }>;
}

interface RootUses {
  readonly wrappingKey: Buffer;
  readonly checkKey: Buffer;
  readonly rootKeyId: string;
}

export async function createOrOpenRepository(store: ObjectStore, keyText: string): Promise<Repository> {
  const key = parseKeyText(keyText);
  if ((await store.stat(repositoryKey)) === null) {
    const record = {
      format: "wedsync-backup",
      formatVersion: 1,
      features: [],
      repositoryId: randomUUID(),
      createdAt: new Date().toISOString(),
    };
    const bytes = encodeRecord(record);
    // The root first: a crash between the two leaves a root without a repository, which the next start replaces.
    await writeRoot(store, bytes, key);
    await createIfAbsent(store, repositoryKey, bytes);
  }
  return await openRepository(store, keyText);
}

/** @throws RepositoryMissing, EncryptionKeyInvalid, EncryptionKeyWrong, FormatUnsupported, ObjectCorrupt */
export async function openRepository(store: ObjectStore, keyText: string): Promise<Repository> {
  const key = parseKeyText(keyText);
  const bytes = await readOrNull(store, repositoryKey);
  if (bytes === null)
    throw new BackupError("RepositoryMissing", `There is no backup repository in ${store.description}.`);
  const { repositoryId } = decodeRecord(repositoryKey, bytes, repositorySchema);
  let root = await findRoot(store, bytes, key);
  const vaults = new Map<string, Promise<OrganizationVault>>();

  return {
    id: repositoryId,
    store,
    listOrganizations: () => listOrganizations(store),
    openVault(organizationId, options) {
      const open =
        vaults.get(organizationId) ??
        openVault(store, repositoryId, bytes, root, organizationId, options?.create === true);
      vaults.set(organizationId, open);
      open.catch(() => vaults.delete(organizationId));
      return open;
    },
    async rotateRootKey(newKeyText) {
      const next = await writeRoot(store, bytes, parseKeyText(newKeyText));
      const organizations = await listOrganizations(store);
      for (const organizationId of organizations) {
        const organizationKey = await unwrapOrganizationKey(store, repositoryId, root, organizationId);
        if (organizationKey === null) continue;
        await writeWrappedKey(store, repositoryId, next, organizationId, organizationKey);
      }
      if (next.rootKeyId !== root.rootKeyId) {
        await store.delete(organizations.map((organizationId) => wrappedKeyKey(organizationId, root.rootKeyId)));
        await store.delete([rootKey(root.rootKeyId)]);
      }
      root = next;
      return { organizations: organizations.length };
    },
  };
}

async function listOrganizations(store: ObjectStore): Promise<string[]> {
  const found = new Set<string>();
  for await (const { key } of store.list(organizationsPrefix)) {
    const [part, folder] = key.slice(organizationsPrefix.length).split("/");
    if (part !== undefined && folder === "keys") found.add(decodeOrganization(part));
  }
  return [...found].sort();
}

async function openVault(
  store: ObjectStore,
  repositoryId: string,
  repositoryRecord: Buffer,
  root: RootUses,
  organizationId: string,
  create: boolean,
): Promise<OrganizationVault> {
  let organizationKey = await unwrapOrganizationKey(store, repositoryId, root, organizationId);
  if (organizationKey === null) {
    if (!create)
      throw new BackupError(
        "BackupNotFound",
        `There is no backup of organization ${organizationId} in ${store.description}.`,
        { organizationId },
      );
    await writeWrappedKey(store, repositoryId, root, organizationId, randomBytes(32));
    // Read back: another process may have been first, and then its key counts.
    organizationKey = await unwrapOrganizationKey(store, repositoryId, root, organizationId);
    if (organizationKey === null) throw new BackupError("ObjectMissing", "A key that was just written can't be found.");
  }
  return createVault({
    store,
    repositoryId,
    repositoryRecord,
    organizationId,
    keys: deriveOrganizationKeys(organizationKey),
  });
}

const wrapPlace = (repositoryId: string, organizationId: string): string =>
  JSON.stringify(["wedsync-backup v1", "organization key", repositoryId, organizationId, 1]);

async function writeWrappedKey(
  store: ObjectStore,
  repositoryId: string,
  root: RootUses,
  organizationId: string,
  key: Buffer,
): Promise<void> {
  const wrapped = wrapKey(root.wrappingKey, key, wrapPlace(repositoryId, organizationId)).toString("base64");
  await createIfAbsent(
    store,
    wrappedKeyKey(organizationId, root.rootKeyId),
    encodeRecord({ epoch: 1, rootKeyId: root.rootKeyId, wrapped }),
  );
}

async function unwrapOrganizationKey(
  store: ObjectStore,
  repositoryId: string,
  root: RootUses,
  organizationId: string,
): Promise<Buffer | null> {
  const objectKey = wrappedKeyKey(organizationId, root.rootKeyId);
  const bytes = await readOrNull(store, objectKey);
  if (bytes === null) return null;
  const { wrapped, rootKeyId } = decodeRecord(objectKey, bytes, wrappedKeySchema);
  const key = unwrapKey(root.wrappingKey, Buffer.from(wrapped, "base64"), wrapPlace(repositoryId, organizationId));
  if (key === null || rootKeyId !== root.rootKeyId) {
    throw new BackupError("ObjectForeign", `${objectKey} is not this organization's key in this repository.`, {
      object: objectKey,
    });
  }
  return key;
}

const rootCheck = (uses: RootUses, repositoryRecord: Buffer, derivation: KeyDerivation): Buffer =>
  hmac(
    uses.checkKey,
    repositoryRecord,
    Buffer.from(JSON.stringify([uses.rootKeyId, derivation.kind, derivation.salt, derivation.iterations])),
  );

async function writeRoot(store: ObjectStore, repositoryRecord: Buffer, key: KeyText): Promise<RootUses> {
  const derivation: KeyDerivation =
    key.kind === "bytes"
      ? { kind: "none", salt: "", iterations: 0 }
      : { kind: "pbkdf2-hmac-sha256", salt: randomBytes(16).toString("base64"), iterations: pbkdf2Iterations };
  const uses = deriveRootUses(await deriveRootKey(key, derivation));
  const check = rootCheck(uses, repositoryRecord, derivation).toString("hex");
  const record = encodeRecord({ rootKeyId: uses.rootKeyId, ...derivation, check });
  const objectKey = rootKey(uses.rootKeyId);
  const before = await readOrNull(store, objectKey);
  // A root without its repository (a crash between the two) checks another record: it protects nothing, and is replaced.
  if (before !== null && !before.equals(record)) await store.delete([objectKey]);
  await createIfAbsent(store, objectKey, record);
  return uses;
}

async function findRoot(store: ObjectStore, repositoryRecord: Buffer, key: KeyText): Promise<RootUses> {
  let roots = 0;
  let damaged: string | null = null;
  for await (const { key: objectKey } of store.list(rootsPrefix)) {
    roots += 1;
    const record = decodeRecord(objectKey, await store.read(objectKey), rootSchema);
    if ((record.kind === "none") !== (key.kind === "bytes")) continue;
    const uses = deriveRootUses(await deriveRootKey(key, record));
    const expected = rootCheck(uses, repositoryRecord, record);
    const stated = Buffer.from(record.check, "hex");
    if (stated.length === expected.length && timingSafeEqual(stated, expected)) return uses;
    if (uses.rootKeyId === record.rootKeyId) damaged = objectKey;
  }
  if (roots === 0)
    throw new BackupError(
      "ObjectMissing",
      `The repository in ${store.description} has lost its key descriptors (${rootsPrefix}).`,
    );
  if (damaged !== null)
    throw new BackupError("ObjectCorrupt", `${damaged} or the repository record was changed.`, { object: damaged });
  throw new BackupError(
    "EncryptionKeyWrong",
    `BACKUP_ENCRYPTION_KEY is not the key of the repository in ${store.description}. Use the key that its backups were made with.`,
  );
}

async function createIfAbsent(store: ObjectStore, key: string, bytes: Buffer): Promise<void> {
  try {
    await store.create(key, bytes);
  } catch (error) {
    if (!(error instanceof BackupError && error.code === "ObjectExists")) throw error;
  }
}

async function readOrNull(store: ObjectStore, key: string): Promise<Buffer | null> {
  try {
    return await store.read(key);
  } catch (error) {
    if (error instanceof BackupError && error.code === "ObjectMissing") return null;
    throw error;
  }
}

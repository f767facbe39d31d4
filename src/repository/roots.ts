// The descriptors of root keys (roots/<root key id>): how BACKUP_ENCRYPTION_KEY becomes the root key, and a check value by
// which a wrong key is told from a damaged repository.
//
// What must hold: the same key text and the same repository record give the same descriptor, byte for byte. So two first
// starts at the same moment, and a rotation that is begun again after a crash, write one descriptor and not two.
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { deriveRootUses, hmac } from "../crypto/organization-keys.ts";
import { deriveRootKey, pbkdf2Iterations, type KeyDerivation, type KeyText } from "../crypto/root-key.ts";
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { isDamage } from "./damage.ts";
import { limits, readBounded } from "./limits.ts";
import { rootKey, rootsPrefix } from "./names.ts";
import { createIfAbsent, decodeRecord, encodeRecord } from "./records.ts";

export interface RootKey {
  readonly rootKeyId: string;
  readonly wrappingKey: Buffer;
  readonly checkKey: Buffer;
  /** Proves tombstones and certificates of erasures. */
  readonly erasureKey: Buffer;
  /** SHA-256 of the descriptor's stored bytes, hex. */
  readonly recordHash: string;
}

const rootSchema = z.strictObject({
  rootKeyId: z.string().regex(/^[0-9a-f]{16}$/),
  kind: z.enum(["none", "pbkdf2-hmac-sha256"]),
  salt: z.string().max(100),
  iterations: z.number().int(),
  /** HMAC over the repository record and this record's other fields: tells a wrong key from damage. */
  check: z.string().regex(/^[0-9a-f]{64}$/),
});

const hash = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

export const rootRotated = (): BackupError =>
  new BackupError(
    "EncryptionKeyWrong",
    "The root key was rotated since this process began. Start it again with the new BACKUP_ENCRYPTION_KEY.",
  );

/** The ids of the descriptors that are there, in order. */
export async function listRootKeyIds(store: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const { key } of store.list(rootsPrefix)) {
    const id = key.slice(rootsPrefix.length);
    if (/^[0-9a-f]{16}$/.test(id)) ids.push(id);
  }
  return ids;
}

/** Writes the key's descriptor unless it is there. @throws ObjectCorrupt when another one has its name. */
export async function writeRoot(store: ObjectStore, repositoryRecord: Buffer, key: KeyText): Promise<RootKey> {
  // The record holds the repository's random id: its hash is a salt that no other repository has.
  const salt = hash(repositoryRecord).subarray(0, 16).toString("base64");
  const derivation: KeyDerivation =
    key.kind === "bytes"
      ? { kind: "none", salt: "", iterations: 0 }
      : { kind: "pbkdf2-hmac-sha256", salt, iterations: pbkdf2Iterations };
  const uses = deriveRootUses(await deriveRootKey(key, derivation));
  const check = rootCheck(uses, repositoryRecord, derivation).toString("hex");
  const record = encodeRecord({ rootKeyId: uses.rootKeyId, ...derivation, check });
  const objectKey = rootKey(uses.rootKeyId);
  await createIfAbsent(store, objectKey, record);
  if (!(await readBounded(store, objectKey, limits.recordBytes)).equals(record))
    throw new BackupError("ObjectCorrupt", `${objectKey} is not what this key's descriptor must be.`, {
      object: objectKey,
    });
  return { ...uses, recordHash: hash(record).toString("hex") };
}

/** @throws EncryptionKeyWrong, ObjectMissing, ObjectCorrupt, FormatUnsupported */
export async function findRoot(store: ObjectStore, repositoryRecord: Buffer, key: KeyText): Promise<RootKey> {
  const ids = await listRootKeyIds(store);
  if (ids.length === 0)
    throw new BackupError(
      "ObjectMissing",
      `The repository in ${store.description} has lost its key descriptors (${rootsPrefix}).`,
    );
  // One descriptor that is damaged must not lock out a key whose own is whole: it is reported only when no other fits.
  let damaged: BackupError | null = null;
  for (const id of ids.slice(0, limits.roots)) {
    try {
      const root = await tryRoot(store, repositoryRecord, key, id);
      if (root !== null) return root;
    } catch (error) {
      if (!isDamage(error)) throw error;
      damaged ??= error;
    }
  }
  throw (
    damaged ??
    new BackupError(
      "EncryptionKeyWrong",
      `BACKUP_ENCRYPTION_KEY is not the key of the repository in ${store.description}. Use the key that its backups were made with.`,
    )
  );
}

/** Null when the descriptor is another key's. */
async function tryRoot(
  store: ObjectStore,
  repositoryRecord: Buffer,
  key: KeyText,
  id: string,
): Promise<RootKey | null> {
  const objectKey = rootKey(id);
  const bytes = await readBounded(store, objectKey, limits.recordBytes);
  const record = decodeRecord(objectKey, bytes, rootSchema);
  if ((record.kind === "none") !== (key.kind === "bytes")) return null;
  const uses = deriveRootUses(await deriveRootKey(key, record));
  const expected = rootCheck(uses, repositoryRecord, record);
  const isOurs = timingSafeEqual(Buffer.from(record.check, "hex"), expected) && uses.rootKeyId === id;
  if (isOurs) return { ...uses, recordHash: hash(bytes).toString("hex") };
  if (uses.rootKeyId !== record.rootKeyId && uses.rootKeyId !== id) return null;
  throw new BackupError("ObjectCorrupt", `${objectKey} or the repository record was changed.`, { object: objectKey });
}

const rootCheck = (
  uses: Pick<RootKey, "checkKey" | "rootKeyId">,
  repositoryRecord: Buffer,
  derivation: KeyDerivation,
): Buffer =>
  hmac(
    uses.checkKey,
    repositoryRecord,
    Buffer.from(JSON.stringify([uses.rootKeyId, derivation.kind, derivation.salt, derivation.iterations])),
  );

// An organization's key in the store: wrapped by the root key, in a record that the organization's verification key can
// prove. So a verifier who can read nothing still sees a key that was changed, before a recovery needs it.
import { timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { deriveOrganizationKeys, hmac, unwrapKey, wrapKey } from "../crypto/organization-keys.ts";
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { limits, readBounded } from "./limits.ts";
import { wrappedKeyKey, wrappedKeysPrefix } from "./names.ts";
import { createIfAbsent, decodeRecord, encodeRecord } from "./records.ts";
import type { RootKey } from "./roots.ts";

export const wrappedKeySchema = z.strictObject({
  epoch: z.literal(1),
  rootKeyId: z.string().regex(/^[0-9a-f]{16}$/),
  /** SHA-256 of the root's descriptor, hex: the verification key proves that, too. */
  rootHash: z.string().regex(/^[0-9a-f]{64}$/),
  /** base64: nonce, ciphertext, tag. */
  wrapped: z.string().regex(/^[A-Za-z0-9+/]{80}$/),
  /** HMAC-SHA256(verification key, place and the fields above), hex. */
  mac: z.string().regex(/^[0-9a-f]{64}$/),
});

type WrappedKey = z.infer<typeof wrappedKeySchema>;

export interface KeyPlace {
  readonly repositoryId: string;
  readonly organizationId: string;
}

const wrapPlace = ({ repositoryId, organizationId }: KeyPlace): string =>
  JSON.stringify(["wedsync-backup v1", "organization key", repositoryId, organizationId, 1]);

function wrappedKeyMac(verificationKey: Buffer, place: KeyPlace, record: Omit<WrappedKey, "mac">): Buffer {
  const { epoch, rootKeyId, rootHash, wrapped } = record;
  const { repositoryId, organizationId } = place;
  return hmac(
    verificationKey,
    Buffer.from(
      JSON.stringify([
        "wedsync-backup v1",
        "wrapped key",
        repositoryId,
        organizationId,
        epoch,
        rootKeyId,
        rootHash,
        wrapped,
      ]),
    ),
  );
}

export function isWrappedKeyIntact(verificationKey: Buffer, place: KeyPlace, record: WrappedKey): boolean {
  return timingSafeEqual(wrappedKeyMac(verificationKey, place, record), Buffer.from(record.mac, "hex"));
}

/** Does nothing when a key is there already: whoever calls reads back what counts. */
export async function writeWrappedKey(store: ObjectStore, place: KeyPlace, root: RootKey, key: Buffer): Promise<void> {
  const record = {
    epoch: 1,
    rootKeyId: root.rootKeyId,
    rootHash: root.recordHash,
    wrapped: wrapKey(root.wrappingKey, key, wrapPlace(place)).toString("base64"),
  } as const;
  const mac = wrappedKeyMac(deriveOrganizationKeys(key).verificationKey, place, record).toString("hex");
  await createIfAbsent(store, wrappedKeyKey(place.organizationId, root.rootKeyId), encodeRecord({ ...record, mac }));
}

/** Null when no key is wrapped by this root. @throws ObjectCorrupt, ObjectForeign, FormatUnsupported */
export async function readWrappedKey(store: ObjectStore, place: KeyPlace, root: RootKey): Promise<Buffer | null> {
  const objectKey = wrappedKeyKey(place.organizationId, root.rootKeyId);
  let bytes: Buffer;
  try {
    bytes = await readBounded(store, objectKey, limits.recordBytes);
  } catch (error) {
    if (error instanceof BackupError && error.code === "ObjectMissing") return null;
    throw error;
  }
  const record = decodeRecord(objectKey, bytes, wrappedKeySchema);
  const key = unwrapKey(root.wrappingKey, Buffer.from(record.wrapped, "base64"), wrapPlace(place));
  const isOurs =
    key !== null &&
    record.rootKeyId === root.rootKeyId &&
    record.rootHash === root.recordHash &&
    isWrappedKeyIntact(deriveOrganizationKeys(key).verificationKey, place, record);
  if (!isOurs)
    throw new BackupError("ObjectForeign", `${objectKey} is not this organization's key in this repository.`, {
      object: objectKey,
    });
  return key;
}

/** The ids of the roots that a key of the organization is wrapped by. */
export async function listWrappings(store: ObjectStore, organizationId: string): Promise<string[]> {
  const prefix = wrappedKeysPrefix(organizationId);
  const ids: string[] = [];
  for await (const { key } of store.list(prefix)) {
    const id = /^1\.([0-9a-f]{16})$/.exec(key.slice(prefix.length))?.[1];
    if (id !== undefined) ids.push(id);
  }
  return ids;
}

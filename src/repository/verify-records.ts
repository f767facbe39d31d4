// The unsealed records of an organization: which repository it is, which keys there are, and under which root keys.
import { sha256 } from "../crypto/sha256.ts";
import { BackupError } from "../domain/errors.ts";
import type { IntegrityRead } from "./integrity-read.ts";
import { limits } from "./limits.ts";
import { organizationPrefix, repositoryKey, rootKey, rootsPrefix, wrappedKeysPrefix } from "./names.ts";
import { decodeRecord } from "./records.ts";
import { isWrappedKeyIntact, wrappedKeySchema } from "./wrapped-keys.ts";

/** The unsealed records: the repository's by the hash in the verification key, the others by the wrapped key's HMAC. */
export async function verifyRecords(read: IntegrityRead): Promise<void> {
  const repository = await read.read(
    repositoryKey,
    (await read.store.stat(repositoryKey))?.sizeBytes ?? 0,
    limits.recordBytes,
  );
  if (repository !== null && sha256(repository) !== read.verification.repositoryHash)
    read.problem(repositoryKey, "ObjectCorrupt", "it is not the record that the verification key was made for");
  const provenRoots = new Map<string, string>();
  const keysPrefix = wrappedKeysPrefix(read.organizationId);
  for await (const { key, name, sizeBytes } of read.list(keysPrefix)) {
    const bytes = await read.read(key, sizeBytes, limits.recordBytes);
    if (bytes !== null) proveWrappedKey(read, key, name, bytes, provenRoots);
  }
  if (provenRoots.size === 0)
    read.problem(keysPrefix, "ObjectMissing", "no wrapped key of the organization is there that is whole");
  for await (const { key, name, sizeBytes } of read.list(rootsPrefix)) {
    const bytes = await read.read(key, sizeBytes, limits.recordBytes);
    const expected = provenRoots.get(name);
    provenRoots.delete(name);
    if (expected === undefined) read.notes.push(`${key} wraps no key of this organization`);
    else if (bytes !== null && sha256(bytes) !== expected)
      read.problem(key, "ObjectCorrupt", "it is not the descriptor that the organization's key was wrapped with");
  }
  for (const name of provenRoots.keys()) read.problem(rootKey(name), "ObjectMissing", "a wrapped key needs it");
  await findStrangers(read);
}

function proveWrappedKey(
  read: IntegrityRead,
  key: string,
  name: string,
  bytes: Buffer,
  provenRoots: Map<string, string>,
): void {
  const place = { repositoryId: read.verification.repositoryId, organizationId: read.organizationId };
  try {
    const record = decodeRecord(key, bytes, wrappedKeySchema);
    if (name !== `1.${record.rootKeyId}` || !isWrappedKeyIntact(read.verification.key, place, record))
      throw new BackupError("ObjectForeign", "it is not this organization's key");
    provenRoots.set(record.rootKeyId, record.rootHash);
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    read.problem(key, error.code, error.message);
  }
}

/** Objects under the organization's name that no version writes there. */
async function findStrangers(read: IntegrityRead): Promise<void> {
  const prefix = organizationPrefix(read.organizationId);
  for await (const { key, name } of read.list(prefix)) {
    if (!/^(keys|manifests|packs|releases)\//.test(name))
      read.problem(key, "ObjectForeign", "it is no part of a repository");
  }
}

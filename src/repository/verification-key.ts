// What a verifier is given: enough to prove every stored byte of one organization, and to read none.
import { sha256 } from "../crypto/sha256.ts";
import { BackupError } from "../domain/errors.ts";

export interface VerificationKey {
  readonly repositoryId: string;
  /** SHA-256 of the repository record's stored bytes, hex. */
  readonly repositoryHash: string;
  readonly key: Buffer;
}

export function formatVerificationKey(repositoryId: string, repositoryRecord: Buffer, key: Buffer): string {
  const repositoryHash = sha256(repositoryRecord);
  return ["wsv1", repositoryId, repositoryHash, key.toString("base64url")].join(".");
}

const form = /^wsv1\.([0-9a-f-]{36})\.([0-9a-f]{64})\.([A-Za-z0-9_-]{43})$/;

/** @throws EncryptionKeyInvalid */
export function parseVerificationKey(text: string): VerificationKey {
  const [, repositoryId = "", repositoryHash = "", encoded = ""] = form.exec(text.trim()) ?? [];
  const key = Buffer.from(encoded, "base64url");
  // The last letter carries two bits that are not used: another letter there is a mistake in copying, not another spelling.
  if (key.length !== 32 || key.toString("base64url") !== encoded)
    throw new BackupError(
      "EncryptionKeyInvalid",
      "That is not a verification key (wsv1.…); make one with: wedsync-backup keys verification --organization ID.",
    );
  return { repositoryId, repositoryHash, key };
}

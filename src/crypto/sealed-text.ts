// A short secret (the URL of another database, of a webhook) that has to lie in a table for a worker to find: sealed with a
// key made from BACKUP_ENCRYPTION_KEY, bound to the purpose that it is for. "v1." salt "." nonce "." ciphertext and tag.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { BackupError } from "../domain/errors.ts";
import { deriveRootKey, hkdf, parseKeyText, pbkdf2Iterations } from "./root-key.ts";

const tagBytes = 16;

/** Of the URL of another database that a restore writes to. */
export const restoreTargetPurpose = "restore target";
/** Of one notification channel's target: another channel's can't be put in its place. */
export const channelTargetPurpose = (channelId: string): string => `notification channel ${channelId}`;
/** Of a webhook's signing secret, once it was changed. */
export const channelSecretPurpose = (channelId: string): string => `notification channel ${channelId}, secret`;

export async function sealText(keyText: string, purpose: string, text: string): Promise<string> {
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", await deriveKey(keyText, salt, purpose), nonce);
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return ["v1", ...[salt, nonce, sealed].map((part) => part.toString("base64url"))].join(".");
}

/** @throws EncryptionKeyWrong for another key or purpose, and for changed bytes. */
export async function openText(keyText: string, purpose: string, sealedText: string): Promise<string> {
  const [version, ...parts] = sealedText.split(".");
  const [salt, nonce, sealed] = parts.map((part) => Buffer.from(part, "base64url"));
  if (
    version !== "v1" ||
    salt === undefined ||
    nonce?.length !== 12 ||
    sealed === undefined ||
    sealed.length < tagBytes
  )
    throw wrong();
  const decipher = createDecipheriv("aes-256-gcm", await deriveKey(keyText, salt, purpose), nonce);
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]).toString("utf8");
  } catch {
    throw wrong();
  }
}

async function deriveKey(keyText: string, salt: Buffer, purpose: string): Promise<Buffer> {
  const key = parseKeyText(keyText);
  const derivation =
    key.kind === "bytes"
      ? ({ kind: "none", salt: "", iterations: 0 } as const)
      : ({ kind: "pbkdf2-hmac-sha256", salt: salt.toString("base64"), iterations: pbkdf2Iterations } as const);
  return hkdf(
    await deriveRootKey(key, derivation),
    salt,
    JSON.stringify(["wedsync-backup sealed text v1", purpose]),
    32,
  );
}

const wrong = (): BackupError =>
  new BackupError(
    "EncryptionKeyWrong",
    "A kept secret can't be opened: it was sealed with another BACKUP_ENCRYPTION_KEY. Ask for the restore again, or add the notification channel again.",
  );

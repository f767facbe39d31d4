// BACKUP_ENCRYPTION_KEY, the one secret that a recovery needs: 32 random bytes, or a passphrase.
import { hkdfSync, pbkdf2 } from "node:crypto";
import { promisify } from "node:util";
import { BackupError } from "../domain/errors.ts";

/** How a passphrase becomes a key; stored beside the repository, because it is not secret. */
export interface KeyDerivation {
  readonly kind: "none" | "pbkdf2-hmac-sha256";
  /** base64; empty for "none". */
  readonly salt: string;
  readonly iterations: number;
}

export type KeyText =
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  | { readonly kind: "passphrase"; readonly text: string };

/** OWASP's count for PBKDF2-HMAC-SHA256 is 600,000; this is above it and takes about 0.3 s, once a process. */
export const pbkdf2Iterations = 800_000;
const leastIterations = 600_000;
const mostIterations = 10_000_000;
const leastPassphraseLength = 16;

export function parseKeyText(text: string): KeyText {
  const trimmed = text.trim();
  if (/^[0-9a-fA-F]{64}$/.test(trimmed)) return { kind: "bytes", bytes: Buffer.from(trimmed, "hex") };
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) {
    const bytes = Buffer.from(trimmed, "base64");
    if (bytes.length === 32) return { kind: "bytes", bytes };
  }
  const passphrase = trimmed.startsWith("passphrase:") ? trimmed.slice("passphrase:".length) : trimmed;
  if (passphrase.length >= leastPassphraseLength) return { kind: "passphrase", text: passphrase.normalize("NFC") };
  throw new BackupError(
    "EncryptionKeyInvalid",
    `BACKUP_ENCRYPTION_KEY must be 32 random bytes as base64 or hex (make one with: openssl rand -base64 32), or a passphrase of at least ${leastPassphraseLength} characters.`,
  );
}

const derived = new Map<string, Promise<Buffer>>();
const deriveBits = promisify(pbkdf2);

/** 32 bytes. @throws ObjectCorrupt for a derivation that no version of this product has written. */
export async function deriveRootKey(key: KeyText, derivation: KeyDerivation): Promise<Buffer> {
  if (key.kind === "bytes") return key.bytes;
  const { salt, iterations } = derivation;
  const isBounded = Number.isInteger(iterations) && iterations >= leastIterations && iterations <= mostIterations;
  if (!isBounded || Buffer.from(salt, "base64").length < 16) {
    throw new BackupError("ObjectCorrupt", "The repository's key derivation is outside the bounds of its format.");
  }
  const name = hkdf(Buffer.from(key.text), Buffer.from(salt, "base64"), `cache ${iterations}`, 32).toString("hex");
  let pending = derived.get(name);
  if (pending === undefined) {
    pending = deriveBits(key.text, Buffer.from(salt, "base64"), iterations, 32, "sha256");
    derived.set(name, pending);
  }
  return await pending;
}

export function hkdf(key: Buffer, salt: Uint8Array, info: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync("sha256", key, salt, info, bytes));
}

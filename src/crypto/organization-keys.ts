// An organization's keys. One random key, wrapped by the root key; everything else is derived from it, each with its own
// label, so that holding one of them (the verification key) gives none of the others.
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import { hkdf } from "./root-key.ts";

export interface OrganizationKeys {
  readonly sealingKey: Buffer;
  readonly idKey: Buffer;
  /** Proves stored bytes by HMAC; can't decrypt them. */
  readonly verificationKey: Buffer;
  readonly cutSeed: bigint;
}

const noSalt = Buffer.alloc(0);

export function deriveOrganizationKeys(organizationKey: Buffer): OrganizationKeys {
  const derive = (label: string, bytes = 32): Buffer =>
    hkdf(organizationKey, noSalt, `wedsync-backup v1 ${label}`, bytes);
  return {
    sealingKey: derive("sealing"),
    idKey: derive("segment id"),
    verificationKey: derive("verification"),
    cutSeed: derive("segment cut", 8).readBigUInt64BE(),
  };
}

export function deriveRootUses(rootKey: Buffer): {
  wrappingKey: Buffer;
  checkKey: Buffer;
  erasureKey: Buffer;
  rootKeyId: string;
} {
  const derive = (label: string, bytes = 32): Buffer => hkdf(rootKey, noSalt, `wedsync-backup v1 ${label}`, bytes);
  return {
    wrappingKey: derive("wrapping"),
    checkKey: derive("root check"),
    erasureKey: derive("erasure"),
    rootKeyId: derive("root key id", 8).toString("hex"),
  };
}

/** nonce ‖ ciphertext ‖ tag, bound to where the wrapped key belongs. */
export function wrapKey(wrappingKey: Buffer, key: Buffer, place: string): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", wrappingKey, nonce).setAAD(Buffer.from(place));
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
}

/** Null when it is not that key, or not of that place. */
export function unwrapKey(wrappingKey: Buffer, wrapped: Buffer, place: string): Buffer | null {
  if (wrapped.length !== 12 + 32 + 16) return null;
  const decipher = createDecipheriv("aes-256-gcm", wrappingKey, wrapped.subarray(0, 12), { authTagLength: 16 })
    .setAAD(Buffer.from(place))
    .setAuthTag(wrapped.subarray(44));
  const key = decipher.update(wrapped.subarray(12, 44));
  try {
    decipher.final();
    return key;
  } catch {
    return null; // GCM says no more than that the tag does not match; the caller knows what it asked for
  }
}

export function hmac(key: Buffer, ...parts: readonly Uint8Array[]): Buffer {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

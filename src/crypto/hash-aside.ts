// Hashes of megabytes, on the C library's threads: the main thread goes on meanwhile. Each takes a copy of the bytes, so
// they may be changed as soon as the call returns, and small ones are not worth it.
import { webcrypto } from "node:crypto";

const { subtle } = webcrypto;
const hex = (bytes: ArrayBuffer): string => Buffer.from(bytes).toString("hex");

export const sha256Aside = async (bytes: Buffer): Promise<string> => hex(await subtle.digest("SHA-256", bytes));

const keys = new WeakMap<Buffer, Promise<webcrypto.CryptoKey>>();

export async function hmacAside(key: Buffer, bytes: Buffer): Promise<string> {
  let imported = keys.get(key);
  if (imported === undefined) {
    imported = subtle.importKey("raw", key as Buffer<ArrayBuffer>, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    keys.set(key, imported);
  }
  return hex(await subtle.sign("HMAC", await imported, bytes));
}

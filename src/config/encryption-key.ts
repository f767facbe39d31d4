// Where the root key comes from: the environment; or, for the embedded demonstration only, a key that is made once and
// kept in the data folder.
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BackupError } from "../domain/errors.ts";
import type { Config } from "./config.ts";

const fileName = "encryption-key";

/** @throws EncryptionKeyInvalid when your own data is protected and no key is set: a key beside the data protects nothing. */
export async function findEncryptionKey({ encryptionKey, dataDir, sourceUrl, storage }: Config): Promise<string> {
  if (encryptionKey !== null) return encryptionKey;
  const path = join(dataDir, fileName);
  const kept = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (kept !== null) return kept.trim();
  if (sourceUrl !== null || storage.provider !== "filesystem") {
    throw new BackupError(
      "EncryptionKeyInvalid",
      "BACKUP_ENCRYPTION_KEY is not set. Make a key with `openssl rand -base64 32`, keep a copy in a safe place, and set it: without it no backup can be read.",
    );
  }
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const key = randomBytes(32).toString("base64");
  await writeFile(path, `${key}\n`, { mode: 0o600, flag: "wx" });
  return key;
}

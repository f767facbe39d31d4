// The secret that signs admins' tokens: from the environment; or, for the embedded demonstration only, one that is made
// once and kept in the data folder.
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BackupError } from "../domain/errors.ts";
import type { Config } from "./config.ts";

const fileName = "auth-secret";

/** @throws ConfigurationInvalid when your own data is protected and nothing says who may ask. */
export async function findAuthSecret({ facade, dataDir, sourceUrl }: Config): Promise<string | null> {
  if (facade.auth.jwksUrl !== null) return null;
  if (facade.auth.secret !== null) return facade.auth.secret;
  if (sourceUrl !== null)
    throw new BackupError(
      "ConfigurationInvalid",
      "The facade must know who may ask: set BACKUP_AUTH_SECRET (at least 32 characters, `openssl rand -base64 32`) or BACKUP_AUTH_JWKS_URL and BACKUP_AUTH_ISSUER.",
    );
  const path = join(dataDir, fileName);
  const kept = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (kept !== null) return kept.trim();
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const secret = randomBytes(32).toString("base64");
  await writeFile(path, `${secret}\n`, { mode: 0o600, flag: "wx" });
  return secret;
}

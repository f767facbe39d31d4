// The secret that signs admins' tokens: from the environment; or, where the repository is a folder of this machine, one
// that is made once and kept in the data folder, whose owner may make tokens (wedsync-backup token).
import { join } from "node:path";
import { BackupError } from "../domain/errors.ts";
import type { Config } from "./config.ts";
import { readOrMakeSecret } from "./secret-file.ts";

/** Null where an OpenID Connect issuer says who may ask. @throws ConfigurationInvalid */
export async function findAuthSecret(
  { facade, dataDir, storage }: Config,
  say: (line: string) => void,
): Promise<string | null> {
  if (facade.auth.jwksUrl !== null) return null;
  if (facade.auth.secret !== null) return facade.auth.secret;
  if (storage.provider !== "filesystem")
    throw new BackupError(
      "ConfigurationInvalid",
      "The facade must know who may ask: set BACKUP_AUTH_SECRET (at least 32 characters, `openssl rand -base64 32`) or BACKUP_AUTH_JWKS_URL and BACKUP_AUTH_ISSUER.",
    );
  const path = join(dataDir, "auth-secret");
  return (await readOrMakeSecret({ path, variable: "BACKUP_AUTH_SECRET", code: "ConfigurationInvalid", say })).secret;
}

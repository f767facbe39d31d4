// Where the root key comes from: the environment; or, where the repository is a folder, a key that is made once and kept
// in the data folder. That one protects a stolen repository, not a lost machine: so its making is said aloud, and a bucket,
// which outlives the machine, is never sealed with it.
import { join } from "node:path";
import { BackupError } from "../domain/errors.ts";
import type { Config } from "./config.ts";
import { readOrMakeSecret } from "./secret-file.ts";

const fileName = "encryption-key";

export const encryptionKeyPath = ({ dataDir }: Pick<Config, "dataDir">): string => join(dataDir, fileName);

/** @throws EncryptionKeyInvalid */
export async function findEncryptionKey(
  config: Pick<Config, "encryptionKey" | "dataDir" | "sourceUrl" | "storage">,
  say: (line: string) => void,
): Promise<string> {
  if (config.encryptionKey !== null) return config.encryptionKey;
  if (config.storage.provider !== "filesystem") {
    throw new BackupError(
      "EncryptionKeyInvalid",
      "BACKUP_ENCRYPTION_KEY is not set. Make a key with `openssl rand -base64 32`, keep a copy in a safe place, and set it: without it no backup can be read.",
    );
  }
  const path = encryptionKeyPath(config);
  const file = { path, variable: "BACKUP_ENCRYPTION_KEY", code: "EncryptionKeyInvalid", say } as const;
  const { secret, made } = await readOrMakeSecret(file);
  if (made)
    say(
      `BACKUP_ENCRYPTION_KEY is not set: made a key in ${path}. Keep a copy of that file elsewhere: without it no backup can be read, and who has it can read them all.`,
    );
  return secret;
}

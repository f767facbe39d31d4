// A secret that this machine makes for itself, once, in a file of the data folder that only its owner may read.
import { randomBytes, randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { BackupError, type ErrorCode } from "../domain/errors.ts";

interface SecretFile {
  readonly path: string;
  /** The variable that could hold it instead. */
  readonly variable: string;
  readonly code: ErrorCode;
  readonly say: (line: string) => void;
}

/** 32 random bytes as base64; `made` when this call made them. @throws the file's `code` */
export async function readOrMakeSecret(file: SecretFile): Promise<{ secret: string; made: boolean }> {
  const kept = await readKept(file);
  if (kept !== null) return { secret: kept, made: false };
  const made = await keep(file, randomBytes(32).toString("base64"));
  return { secret: (await readKept(file)) as string, made };
}

async function readKept(file: SecretFile): Promise<string | null> {
  const { path, code, say } = file;
  try {
    const secret = (await readFile(path, "utf8")).trim();
    if (secret === "") throw new BackupError(code, `${path} is empty. Put its content back, from your copy of it.`);
    if (((await stat(path)).mode & 0o077) !== 0) say(`warning: other users may read a secret; chmod 600 ${path}`);
    return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error instanceof BackupError ? error : unusable(file, error);
  }
}

/** Whole or not at all, and by one process alone. @returns false when another was first. */
async function keep(file: SecretFile, secret: string): Promise<boolean> {
  const draft = `${file.path}.${randomUUID()}`;
  try {
    await mkdir(join(file.path, ".."), { recursive: true, mode: 0o700 });
    const handle = await open(draft, "wx", 0o600);
    await handle.writeFile(`${secret}\n`);
    await handle.sync();
    await handle.close();
    await link(draft, file.path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw unusable(file, error);
  } finally {
    await rm(draft, { force: true });
  }
}

const unusable = ({ path, code, variable }: SecretFile, error: unknown): BackupError =>
  new BackupError(
    code,
    `The secret in ${path} can't be read or made (${(error as NodeJS.ErrnoException).code ?? "unknown"}). Set ${variable}, or BACKUP_DATA_DIR to a folder of yours.`,
    {},
    { cause: error },
  );

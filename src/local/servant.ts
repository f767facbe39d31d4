// Postgres refuses to run as root. Started by root, the embedded one runs as an ordinary user of the machine, its servant,
// who must be able to reach its files.
import { randomUUID } from "node:crypto";
import { lstat, mkdir, readFile, realpath, rmdir, stat, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BackupError } from "../domain/errors.ts";

/** These exist on every Linux. */
const servantNames = ["postgres", "nobody"];
/** For files whose own place only root can reach, such as a checkout below /root. */
const openHome = "/var/lib/wedsync-backup";

export interface Servant {
  readonly uid: number;
  readonly gid: number;
}

/** Null where we are not root, and need none. @throws ServerUnavailable */
export async function findServant(): Promise<Servant | null> {
  if (process.getuid?.() !== 0) return null;
  const users = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of servantNames) {
    const user = users.find(([each]) => each === name);
    if (user !== undefined) return { uid: Number(user[2]), gid: Number(user[3]) };
  }
  throw new BackupError(
    "ServerUnavailable",
    "Postgres does not run as root, and this machine has no user `postgres` or `nobody`. Run as an ordinary user.",
  );
}

/**
 * Makes `folder`; where the servant can't reach it, as a link to a folder that it can. The link has a random name behind
 * it, so that a data folder which was deleted and made anew never meets the files of the old one.
 */
export async function makeReachable(folder: string, servant: Servant): Promise<void> {
  const found = await lstat(folder).catch(() => null);
  if (found?.isSymbolicLink() === true && (await exists(folder))) return;
  if (await canReach(dirname(folder), servant)) {
    await mkdir(folder, { recursive: true, mode: 0o711 });
    return;
  }
  if (found !== null)
    await rmdir(folder).catch((error: unknown) => {
      throw new BackupError(
        "ServerUnavailable",
        `The embedded Postgres can't reach its files in ${folder}: a folder above it is closed to all but root. Set BACKUP_DATA_DIR to another folder, or move that one away.`,
        {},
        { cause: error },
      );
    });
  const real = join(openHome, randomUUID());
  await mkdir(openHome, { recursive: true, mode: 0o711 });
  await mkdir(real, { mode: 0o711 });
  await mkdir(dirname(folder), { recursive: true, mode: 0o711 });
  await symlink(real, folder);
}

async function canReach(folder: string, { uid }: Servant): Promise<boolean> {
  let at = folder;
  while (!(await exists(at))) at = dirname(at); // what is not there yet is made open
  for (at = await realpath(at); ; at = dirname(at)) {
    const { mode, uid: owner } = await stat(at);
    if ((mode & (owner === uid ? 0o100 : 0o001)) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

const exists = async (path: string): Promise<boolean> =>
  await stat(path).then(
    () => true,
    () => false,
  );

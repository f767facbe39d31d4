// Where a write goes before it has a name. A draft's file name tells whose it is: what a killed process of this machine
// left is swept at the next start, whatever its age; what another machine left, when no live write can be that old.
import { randomUUID } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

/** In the store's folder, so that link() stays on one file system. Its name can't be the part of a key. */
export const draftsFolder = ".drafts";
const longestWriteMs = 24 * 60 * 60 * 1000;
const host = encodeURIComponent(hostname()).slice(0, 100);

export const draftPath = (rootDir: string): string =>
  join(rootDir, draftsFolder, `${host}~${process.pid}~${randomUUID()}`);

/** Never fails: a store that can only be read is still a store. @returns how many were swept. */
export async function sweepDrafts(rootDir: string): Promise<number> {
  const names = await readdir(join(rootDir, draftsFolder)).catch(() => []); // nothing was written yet
  let swept = 0;
  for (const name of names) {
    const path = join(rootDir, draftsFolder, name);
    if (!(await isAbandoned(path, name))) continue;
    await rm(path, { force: true }).then(
      () => (swept += 1),
      () => {}, // not ours to remove; it is not listed all the same
    );
  }
  return swept;
}

async function isAbandoned(path: string, name: string): Promise<boolean> {
  const [writer, pid] = name.split("~");
  if (writer === host && pid !== undefined && /^\d+$/.test(pid)) return !isRunning(Number(pid));
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() })); // another process swept it
  return Date.now() - mtimeMs > longestWriteMs;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

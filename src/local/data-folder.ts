// The data folder belongs to one process at a time. The lock names its holder; a holder that was killed is found dead, and
// the servers that it left behind are stopped before new ones start on the same files.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BackupError } from "../domain/errors.ts";

interface Holder {
  readonly pid: number;
  /** Tells a process from a later one of the same number. */
  readonly startedAt: string;
  readonly host: string;
  readonly since: string;
  readonly token: string;
}

export interface RunningServers {
  readonly databaseUrl: string | null;
  readonly temporalAddress: string | null;
  readonly temporalUiUrl: string | null;
  readonly facadeUrl: string | null;
  /** Which database and which store they work for, in words; absent where they were started by an older version. */
  readonly serves?: { readonly source: string; readonly store: string };
}

export interface DataFolder {
  readonly path: string;
  /** Remembers a server, so that the next start can stop it should we die. */
  rememberServer(name: string, pid: number): Promise<void>;
  /** Addresses, for other commands on this machine; private to the user, as the database's password is in it. */
  announce(servers: RunningServers): Promise<void>;
  release(): Promise<void>;
}

const lockName = "lock.json";
const runningName = "running.json";

/** @throws DataFolderBusy, saying who holds it. */
export async function lockDataFolder(path: string): Promise<DataFolder> {
  await mkdir(path, { recursive: true, mode: 0o711 });
  const lockPath = join(path, lockName);
  const holder: Holder = {
    pid: process.pid,
    startedAt: processStart(process.pid) ?? "",
    host: hostname(),
    since: new Date().toISOString(),
    token: randomUUID(),
  };
  // Written whole before it has its name: nobody may read half of it, and take it for a dead process' lock.
  const draftPath = `${lockPath}.${holder.token}`;
  await writeFile(draftPath, JSON.stringify(holder), { mode: 0o600 });
  try {
    const other = await takeLock(lockPath, draftPath);
    if (other !== null)
      throw new BackupError(
        "DataFolderBusy",
        `The data folder ${path} is in use by process ${other.pid} on ${other.host} since ${other.since}. Stop it first, or set BACKUP_DATA_DIR to another folder.`,
        { pid: other.pid },
      );
  } finally {
    await rm(draftPath, { force: true });
  }
  await stopLeftServers(path);
  const servers: { name: string; pid: number; startedAt: string }[] = [];
  return {
    path,
    async rememberServer(name, pid) {
      servers.push({ name, pid, startedAt: processStart(pid) ?? "" });
      await writeFile(join(path, "servers.json"), JSON.stringify(servers), { mode: 0o600 });
    },
    async announce(running) {
      await writeFile(join(path, runningName), JSON.stringify(running), { mode: 0o600 });
    },
    async release() {
      for (const name of [runningName, "servers.json", lockName]) await rm(join(path, name), { force: true });
    },
  };
}

/** @returns who has it; null = the draft has. */
async function takeLock(lockPath: string, draftPath: string): Promise<Holder | null> {
  for (;;) {
    if (await hasLinked(draftPath, lockPath)) return null;
    const found = await readLock(lockPath);
    if (found === null) continue; // it was just given back
    if (found.holder !== null && isAlive(found.holder)) return found.holder;
    // To replace a dead process' lock is one's right alone, taken like a lock: else the last of two that found it dead
    // would put its own in the place of the first one's.
    const rightPath = `${lockPath}.${found.token}`;
    const rival = await takeLock(rightPath, draftPath);
    if (rival !== null) return rival;
    if ((await readLock(lockPath))?.token === found.token) {
      await rename(rightPath, lockPath);
      return null;
    }
    await rm(rightPath, { force: true });
  }
}

async function hasLinked(draftPath: string, name: string): Promise<boolean> {
  try {
    await link(draftPath, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

/** Null = there is no lock. One that can't be read (a power cut emptied it) has a token, too. */
async function readLock(lockPath: string): Promise<{ readonly token: string; readonly holder: Holder | null } | null> {
  try {
    const holder = parseHolder(await readFile(lockPath, "utf8"));
    return { token: holder?.token ?? "unreadable", holder };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return null;
  }
}

/** Null when no live process holds the folder. */
export async function findRunningServers(path: string): Promise<RunningServers | null> {
  const holder = (await readLock(join(path, lockName)))?.holder ?? null;
  if (holder === null || !isAlive(holder)) return null;
  try {
    return JSON.parse(await readFile(join(path, runningName), "utf8")) as RunningServers;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null; // it is still starting, or stopping
    throw error;
  }
}

function parseHolder(text: string): Holder | null {
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return null; // a power cut emptied it
  }
}

const isAlive = (holder: Pick<Holder, "pid" | "startedAt">): boolean => {
  const start = processStart(holder.pid);
  return start !== null && (holder.startedAt === "" || start === "" || start === holder.startedAt);
};

/** Null when there is no such process; "" where the system does not tell when it started. */
function processStart(pid: number): string | null {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return null;
  }
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return fields[0] === "Z" ? null : (fields[19] ?? "");
  } catch {
    return ""; // no /proc on this system
  }
}

async function stopLeftServers(path: string): Promise<void> {
  let left: { name: string; pid: number; startedAt: string }[];
  try {
    left = JSON.parse(await readFile(join(path, "servers.json"), "utf8")) as typeof left;
  } catch {
    return; // nothing was left
  }
  for (const server of left) {
    if (!isAlive(server)) continue;
    process.kill(server.pid, "SIGINT");
    for (let waited = 0; isAlive(server) && waited < 10_000; waited += 100)
      await new Promise((resolve) => setTimeout(resolve, 100));
    if (isAlive(server)) process.kill(server.pid, "SIGKILL");
  }
  await rm(join(path, "servers.json"), { force: true });
}

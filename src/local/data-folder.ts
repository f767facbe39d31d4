// The data folder belongs to one process at a time. The lock names its holder; a holder that was killed is found dead, and
// the servers that it left behind are stopped before new ones start on the same files.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
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
  for (let tries = 0; ; tries++) {
    try {
      const file = await open(lockPath, "wx", 0o600);
      await file.writeFile(JSON.stringify(holder));
      await file.close();
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || tries > 3) throw error;
      const other = await readHolder(lockPath);
      if (other !== null && isAlive(other)) {
        throw new BackupError(
          "DataFolderBusy",
          `The data folder ${path} is in use by process ${other.pid} on ${other.host} since ${other.since}. Stop it first, or set BACKUP_DATA_DIR to another folder.`,
          { pid: other.pid },
        );
      }
      await rename(lockPath, `${lockPath}.stale.${process.pid}`).catch(() => {}); // another process took it over first
      await rm(`${lockPath}.stale.${process.pid}`, { force: true });
    }
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

/** Null when no live process holds the folder. */
export async function findRunningServers(path: string): Promise<RunningServers | null> {
  const holder = await readHolder(join(path, lockName));
  if (holder === null || !isAlive(holder)) return null;
  try {
    return JSON.parse(await readFile(join(path, runningName), "utf8")) as RunningServers;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null; // it is still starting, or stopping
    throw error;
  }
}

async function readHolder(lockPath: string): Promise<Holder | null> {
  try {
    return JSON.parse(await readFile(lockPath, "utf8")) as Holder;
  } catch {
    return null; // absent, or cut off while it was written: nobody's
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

// A worker as users start it, by the command line, in a process that can be killed at any moment.
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BackupRig } from "./backup-rig.ts";
import { eventually } from "./eventually.ts";

const children: ChildProcess[] = [];

export async function startCommandWorker(rig: BackupRig): Promise<{ kill(): Promise<void> }> {
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const child = spawn(process.execPath, [main, "worker"], {
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      XDG_CACHE_HOME: process.env["XDG_CACHE_HOME"],
      BACKUP_SOURCE_DATABASE_URL: rig.database.url,
      BACKUP_DATA_DIR: join(rig.folder, "data"),
      BACKUP_ENCRYPTION_KEY: rig.key,
      BACKUP_STORAGE_BUCKET: rig.storeDir,
      BACKUP_MEDIA_URL: rig.mediaDir,
      TEMPORAL_ADDRESS: rig.temporal.address,
      TEMPORAL_NAMESPACE: rig.temporal.namespace,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.push(child);
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await eventually("the worker to be ready", async () => {
    if (child.exitCode !== null) throw new Error(`the worker ended: ${said}`);
    return said.includes("worker ready");
  });
  return { kill: () => kill(child) };
}

/** After each test. */
export async function killCommandWorkers(): Promise<void> {
  for (const child of children.splice(0)) await kill(child);
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

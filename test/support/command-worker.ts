// A worker as users start it, by the command line, in a process that can be killed at any moment.
import type { BackupRig } from "./backup-rig.ts";
import { createCommandLine, type RunningCommand } from "./command-line.ts";
import { environmentOf } from "./rig-environment.ts";

const workers: RunningCommand[] = [];

export async function startCommandWorker(rig: BackupRig): Promise<{ kill(): Promise<void> }> {
  const worker = createCommandLine(environmentOf(rig)).start(["worker"]);
  workers.push(worker);
  await worker.says("worker ready");
  return { kill: () => kill(worker) };
}

/** After each test. */
export async function killCommandWorkers(): Promise<void> {
  for (const worker of workers.splice(0)) await kill(worker);
}

async function kill(worker: RunningCommand): Promise<void> {
  worker.signal("SIGKILL");
  await worker.ended;
}

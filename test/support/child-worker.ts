// Starts test/support/worker-main.ts, follows what it says, and ends it in any way.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { TemporalAddress } from "../../src/client/connect.ts";
import type { ActivityPoint, FailingPoint } from "./activity-points.ts";
import type { BackupRig } from "./backup-rig.ts";
import { waitUntil } from "./wait-until.ts";

export interface ChildWorkerSettings {
  readonly temporal: TemporalAddress;
  readonly databaseUrl: string;
  readonly storeDir: string;
  readonly mediaDir: string;
  readonly key: string;
  readonly points: { pauses?: readonly ActivityPoint[]; failures?: readonly FailingPoint[] };
  readonly maxSnapshots: number;
  readonly graceMs: number;
  /** Hosts on this machine that webhooks may reach. */
  readonly notifyHosts: readonly string[];
  readonly metricsAddress: string | null;
}

export interface ChildWorker {
  readonly reached: readonly ActivityPoint[];
  /** Everything that it wrote. */
  output(): string;
  /** Lines on stdout that are not the worker's own words. */
  readonly foreign: readonly string[];
  end(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
}

const mainPath = fileURLToPath(new URL("./worker-main.ts", import.meta.url));

export async function startChildWorker(
  rig: BackupRig,
  points: ChildWorkerSettings["points"] = {},
  {
    maxSnapshots = 40,
    graceMs = 1_000,
    notifyHosts = [],
    metricsAddress = null,
  }: Partial<Pick<ChildWorkerSettings, "maxSnapshots" | "graceMs" | "notifyHosts" | "metricsAddress">> = {},
): Promise<ChildWorker> {
  const { temporal, database, storeDir, mediaDir, key } = rig;
  const settings: ChildWorkerSettings = {
    temporal,
    databaseUrl: database.url,
    storeDir,
    mediaDir,
    key,
    points,
    maxSnapshots,
    graceMs,
    notifyHosts,
    metricsAddress,
  };
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", mainPath], {
    env: { ...process.env, NODE_OPTIONS: "", TEST_WORKER: JSON.stringify(settings) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const reached: ActivityPoint[] = [];
  /** stdout is ours alone: whatever else appears there would spoil `--json`. */
  const foreign: string[] = [];
  let text = "";
  let isReady = false;
  let exited = false;
  const exit = once(child, "exit").then(() => (exited = true));
  createInterface({ input: child.stdout }).on("line", (line) => {
    text += `${line}\n`;
    if (!line.startsWith("{")) return void foreign.push(line);
    const said = JSON.parse(line) as { ready?: boolean; reached?: ActivityPoint };
    if (said.ready === true) isReady = true;
    if (said.reached !== undefined) reached.push(said.reached);
  });
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await waitUntil("the worker process is ready", () => {
    if (exited) throw new Error(`the worker process ended:\n${text}`);
    return isReady;
  });
  return {
    reached,
    output: () => text,
    foreign,
    async end(signal) {
      if (!exited) child.kill(signal);
      await exit;
    },
  };
}

// The Temporal development server on loopback. Its state is a file in the data folder: history and schedules outlive a
// restart.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Connection } from "@temporalio/client";
import { startChildServer, waitUntilReady } from "./child-server.ts";
import { findFreePort } from "./free-port.ts";

export interface TemporalServer {
  readonly pid: number;
  readonly address: string;
  readonly uiUrl: string;
  stop(): Promise<void>;
}

/** Eager activities halve the latency of short ones; fairness keeps a large organization from starving small ones. */
const dynamicConfig = ["system.enableActivityEagerExecution=true", "matching.enableFairness=true"];

/**
 * By default the server keeps a rollback journal, which flushes several times for each of a workflow's dozens of
 * transactions. A write-ahead log flushes once: half as many again a second, and as safe against a power cut.
 * Flushing only now and then (`synchronous=1`) is faster still, but then a power cut may cost the last moments of
 * history, among them that a run was about to seal: it would seal twice.
 */
const sqlitePragmas = ["journal_mode=wal"];

export async function startTemporalServer({ folder, cli }: { folder: string; cli: string }): Promise<TemporalServer> {
  await mkdir(folder, { recursive: true });
  const portsPath = join(folder, "ports.json");
  const before = JSON.parse(await readFile(portsPath, "utf8").catch(() => "{}")) as { port?: number; uiPort?: number };
  const port = await findFreePort(before.port);
  const uiPort = await findFreePort(before.uiPort);
  await writeFile(portsPath, JSON.stringify({ port, uiPort }));
  const parameters = ["server", "start-dev", "--ip", "127.0.0.1", "--port", String(port), "--ui-port", String(uiPort)];
  parameters.push("--db-filename", join(folder, "temporal.db"), "--log-level", "error");
  for (const pragma of sqlitePragmas) parameters.push("--sqlite-pragma", pragma);
  for (const setting of dynamicConfig) parameters.push("--dynamic-config-value", setting);
  const server = await startChildServer("The Temporal development server", cli, parameters, {
    env: { HOME: folder, PATH: process.env["PATH"] ?? "" },
    cwd: folder,
  });
  const address = `127.0.0.1:${port}`;
  await waitUntilReady("The Temporal development server", server, 60_000, async () => {
    try {
      const connection = await Connection.connect({ address, connectTimeout: "1s" });
      await connection.workflowService.describeNamespace({ namespace: "default" });
      await connection.close();
      return true;
    } catch {
      return false; // asked again until the deadline, which has the server's own words
    }
  });
  return { pid: server.pid, address, uiUrl: `http://127.0.0.1:${uiPort}`, stop: () => server.stop() };
}

// A Postgres and a Temporal server of a test's own, which it can kill -9 at any moment and start again on the same files and
// ports. Nothing is shut down: what they had not made durable is lost.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { startEmbeddedPostgres } from "../../src/local/embedded-postgres.ts";
import { findTemporalCli } from "../../src/local/temporal-cli.ts";
import { startTemporalServer } from "../../src/local/temporal-server.ts";
import { onServer, type TestDatabase } from "./test-database.ts";
import { waitUntil } from "./wait-until.ts";

export interface KillableServer {
  killAndRestart(): Promise<void>;
  stop(): Promise<void>;
}

async function ownFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wedsync-backup-killable-"));
  await chmod(folder, 0o711); // as root, Postgres runs as another user, who must get through to its files
  return folder;
}

export async function startKillablePostgres(): Promise<KillableServer & { readonly database: TestDatabase }> {
  const folder = await ownFolder();
  const files = join(folder, "postgres");
  let postgres = await startEmbeddedPostgres(files);
  await postgres.createDatabase("weddings");
  const url = postgres.url("weddings");
  return {
    database: {
      url,
      name: "weddings",
      query: (sql, parameters) => onServer(url, sql, parameters),
      drop: async () => {}, // it goes with its server
    },
    async killAndRestart() {
      // The postmaster first, so that it can't clean up after the others; then each backend, in the middle of what it does.
      const backends = await onServer<{ pid: number }>(url, "SELECT pid FROM pg_stat_activity");
      for (const pid of [postgres.pid, ...backends.map((backend) => backend.pid)]) kill(pid);
      for (const { pid } of backends) await waitUntil("the backend is gone", () => !isAlive(pid));
      await waitUntil("the postmaster is gone", () => !isAlive(postgres.pid));
      postgres = await startEmbeddedPostgres(files);
      if (postgres.url("weddings") !== url) throw new Error("Postgres came back on another port");
    },
    async stop() {
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function startKillableTemporal(): Promise<KillableServer & { readonly address: string }> {
  const folder = await ownFolder();
  const cliPath = process.env["TEMPORAL_CLI_PATH"] ?? null;
  const cli = await findTemporalCli({ cliPath, cacheDir: cacheFolder(process.env), say: () => {} });
  let temporal = await startTemporalServer({ folder, cli });
  const { address } = temporal;
  return {
    address,
    async killAndRestart() {
      kill(temporal.pid);
      await waitUntil("the Temporal server is gone", () => !isAlive(temporal.pid));
      temporal = await startTemporalServer({ folder, cli });
      if (temporal.address !== address) throw new Error("the Temporal server came back on another port");
    },
    async stop() {
      await temporal.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // ended by itself meanwhile
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

// `up` as a person starts it, a process with servers of its own: who holds the data folder, what a killed one leaves
// behind, how it ends.
import { mkdtemp, readFile, rm, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { findTemporalCli } from "../../src/local/temporal-cli.ts";
import { createCommandLine, descendantsOf, isAlive, type RunningCommand } from "../support/command-line.ts";
import { waitUntil } from "../support/wait-until.ts";

let folder: string;
let dataDir: string;
let commands: ReturnType<typeof createCommandLine>;
const started = new Set<RunningCommand>();
const servers = new Set<number>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wedsync-backup-up-"));
  await chmod(folder, 0o711); // as root, Postgres runs as another user, who must get through to its files
  dataDir = join(folder, "data");
  const cacheDir = cacheFolder(process.env);
  const cli = await findTemporalCli({ cliPath: process.env["TEMPORAL_CLI_PATH"] ?? null, cacheDir, say: () => {} });
  commands = createCommandLine({
    BACKUP_DATA_DIR: dataDir,
    // The program is named, so that nothing is fetched or built while a test waits.
    ...(cli.includes("/") ? { TEMPORAL_CLI_PATH: cli } : {}),
  });
});
afterEach(async () => {
  for (const command of started) command.signal("SIGKILL");
  for (const command of started) await command.ended;
  for (const pid of servers) if (isAlive(pid)) process.kill(pid, "SIGKILL");
  started.clear();
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

async function startUp(): Promise<{ command: RunningCommand; serverPids: number[] }> {
  const command = commands.start(["--json", "up", "--no-demo"]);
  started.add(command);
  await waitUntil("everything is up", () => command.stdout().includes("facadeUrl") || hasEnded(command));
  if (hasEnded(command)) throw new Error(`up ended: ${command.stdout()}${command.stderr()}`);
  const serverPids = await descendantsOf(command.pid);
  for (const pid of serverPids) servers.add(pid);
  return { command, serverPids };
}

const hasEnded = ({ pid }: RunningCommand): boolean => !isAlive(pid);

/** What `up` wrote for other commands. */
async function readRunning(): Promise<{ databaseUrl: string; temporalAddress: string; facadeUrl: string }> {
  return JSON.parse(await readFile(join(dataDir, "running.json"), "utf8")) as never;
}

test("a folder has one holder; a killed one leaves nothing that the next start trips over; Ctrl-C ends all of it", async () => {
  const first = await startUp();
  expect(first.serverPids.length).toBeGreaterThan(1);
  const before = await readRunning();

  const second = await commands.json(["up", "--no-demo"]);
  expect(second).toMatchObject({
    code: 75,
    json: {
      error: {
        code: "DataFolderBusy",
        message: expect.stringContaining(`process ${first.command.pid} on`),
        details: { pid: first.command.pid },
      },
    },
  });
  expect(second.json).toMatchObject({ error: { message: expect.stringContaining("BACKUP_DATA_DIR") } });
  // The refused start has disturbed nothing.
  expect((await fetch(`${before.facadeUrl}/readyz`)).status).toBe(200);

  first.command.signal("SIGKILL");
  await first.command.ended;
  expect(first.serverPids.filter(isAlive).length).toBeGreaterThan(1);

  const third = await startUp();
  expect(first.serverPids.filter(isAlive)).toEqual([]);
  const { runs } = JSON.parse(third.command.stdout()) as { runs: { sequence: number; status: string }[] };
  expect(runs.map((run) => [run.sequence, run.status])).toEqual([
    [2, "completed"],
    [2, "completed"],
    [2, "completed"],
  ]);
  const { facadeUrl } = await readRunning();
  expect((await fetch(`${facadeUrl}/readyz`)).status).toBe(200);
  // Other commands on this machine find the servers by themselves, and start none.
  const listed = await commands.json(["policy", "list"]);
  expect([listed.code, (listed.json as object[]).length]).toEqual([0, 3]);

  third.command.signal("SIGINT");
  expect((await third.command.ended).code).toBe(0);
  expect(third.serverPids.filter(isAlive)).toEqual([]);
  await expect(readRunning()).rejects.toMatchObject({ code: "ENOENT" });
  await expect(readFile(join(dataDir, "lock.json"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("up --once backs up, restores every backup, says so, and ends with no process left", async () => {
  const command = commands.start(["--json", "up", "--once"], { BACKUP_DATA_DIR: join(folder, "once") });
  started.add(command);
  await command.says("ready after");
  const serverPids = await descendantsOf(command.pid);
  for (const pid of serverPids) servers.add(pid);
  const { code, stdout } = await command.ended;
  const summary = JSON.parse(stdout) as { proven: boolean; restoreTests: { rows: number; error: string | null }[] };
  expect([code, summary.proven]).toEqual([0, true]);
  expect(summary.restoreTests.map(({ rows, error }) => [rows > 0, error])).toEqual([
    [true, null],
    [true, null],
    [true, null],
  ]);
  expect(serverPids.length).toBeGreaterThan(1);
  expect(serverPids.filter(isAlive)).toEqual([]);
});

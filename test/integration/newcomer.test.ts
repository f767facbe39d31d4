// A newcomer's path: start everything, copy what is printed line by line into another terminal, see a backup run, recover
// it, and get a record back that was lost.
import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Client } from "pg";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { findTemporalCli } from "../../src/local/temporal-cli.ts";
import { createCommandLine, descendantsOf, isAlive, type RunningCommand } from "../support/command-line.ts";
import { waitUntil } from "../support/wait-until.ts";

const projectDir = fileURLToPath(new URL("../../", import.meta.url));
const minutes = (count: number): number => count * 60_000;
let folder: string;
let environment: Record<string, string>;
let up: RunningCommand;
let servers: number[] = [];
let lines: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wedsync-backup-newcomer-"));
  await chmod(folder, 0o711); // as root, Postgres runs as another user, who must get through to its files
  const cacheDir = cacheFolder(process.env);
  const cli = await findTemporalCli({ cliPath: process.env["TEMPORAL_CLI_PATH"] ?? null, cacheDir, say: () => {} });
  environment = {
    BACKUP_DATA_DIR: join(folder, "data"),
    ...(cli.includes("/") ? { TEMPORAL_CLI_PATH: cli } : {}),
  };
  up = createCommandLine(environment).start(["up", "--no-demo"]);
  const isOver = (): boolean => !isAlive(up.pid);
  await waitUntil("everything is up", () => up.stdout().includes("Ctrl-C stops everything") || isOver(), minutes(5));
  if (isOver()) throw new Error(`up ended: ${up.stdout()}${up.stderr()}`);
  servers = await descendantsOf(up.pid);
  const [, printed = ""] = up.stdout().split("In another terminal:\n");
  lines =
    printed
      .split("\n\n")[0]
      ?.split("\n")
      .map((line) => line.trim()) ?? [];
}, minutes(7));

afterAll(async () => {
  up?.signal("SIGINT");
  await up?.ended;
  for (const pid of servers) if (isAlive(pid)) process.kill(pid, "SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

/** In the project's folder, as the README says; what is made goes into the test's own. */
async function type(commands: readonly string[]): Promise<string> {
  const script = ["set -euo pipefail", ...commands].join("\n").replaceAll("./recovered", join(folder, "recovered"));
  return await new Promise((resolve, reject) => {
    const options = { cwd: projectDir, env: { ...process.env, ...environment }, timeout: minutes(4) };
    execFile("bash", ["-c", script], options, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`${error.message}\n${stdout}${stderr}`)),
    );
  });
}

const line = (words: string): string => {
  const found = lines.filter((each) => each.includes(words));
  if (found.length !== 1) throw new Error(`${found.length} lines say ${words}:\n${lines.join("\n")}`);
  return found[0] as string;
};

test(
  "what is printed works as it is copied",
  async () => {
    const said = await type(lines.filter((each) => !each.includes(" restore ")));
    expect(said).toContain("completed");
    // The stream ends with the job, done.
    expect(said).toMatch(/event: end\n.*\ndata: .*"status":"completed"/);
    const manifest = await readFile(join(folder, "recovered", "manifest.json"), "utf8");
    expect(JSON.parse(manifest)).toMatchObject({ sequence: 1 });
  },
  minutes(5),
);

test("the README prints the same lines", async () => {
  const readme = await readFile(join(projectDir, "README.md"), "utf8");
  const [, block = ""] = readme.split("In another terminal:\n");
  const expected = block
    .split("```")[0]
    ?.trim()
    .split("\n")
    .map((each) => each.trim());
  const general = lines.map((each) =>
    each
      .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID")
      .replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:3000"),
  );
  expect(general).toEqual(expected);
});

test(
  "a record that is lost comes back by the line that is printed for it",
  async () => {
    const restore = line(" restore ");
    const [, id = ""] = /public\.guests:(\S+)/.exec(restore) ?? [];
    const { databaseUrl } = JSON.parse(await readFile(join(folder, "data", "running.json"), "utf8")) as {
      databaseUrl: string;
    };
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      const read = async (): Promise<unknown> =>
        (await client.query("SELECT to_jsonb(g) AS guest FROM public.guests g WHERE id = $1", [id])).rows;
      const before = await read();
      expect(before).toHaveLength(1);
      await client.query("DELETE FROM public.guests WHERE id = $1", [id]);
      expect(await read()).toEqual([]);
      await type([restore]);
      expect(await read()).toEqual(before);
    } finally {
      await client.end();
    }
  },
  minutes(5),
);

// A newcomer's path: start everything, copy what is printed line by line into another terminal, see a backup run, recover
// it, download one and recover that, lose a record and get it back.
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { loadCatalogue } from "../../src/config/load-catalogue.ts";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { findTemporalCli } from "../../src/local/temporal-cli.ts";
import { createCommandLine, descendantsOf, isAlive, type RunningCommand } from "../support/command-line.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { onServer } from "../support/test-database.ts";
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
  const script = ["set -euo pipefail", ...commands]
    .join("\n")
    .replaceAll(/(\.\/)?\b(recovered|downloaded|download\.json)\b/g, (_, __, name: string) => join(folder, name));
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

const isOfLostGuest = (each: string): boolean => each.includes("sample-sql") || each.includes(" restore ");

test(
  "what is printed works as it is copied",
  async () => {
    const said = await type(lines.filter((each) => !isOfLostGuest(each)));
    expect(said).toContain("completed");
    // The stream ends with the job, done.
    expect(said).toMatch(/event: end\n.*\ndata: .*"status":"completed"/);
    const manifest = await readFile(join(folder, "recovered", "manifest.json"), "utf8");
    expect(JSON.parse(manifest)).toMatchObject({ sequence: 1 });
  },
  minutes(5),
);

test(
  "what was downloaded over HTTP is sealed, and recovers as the README says",
  async () => {
    const { objects } = JSON.parse(await readFile(join(folder, "download.json"), "utf8")) as {
      objects: { key: string; sizeBytes: number }[];
    };
    expect(objects.length).toBeGreaterThan(0);
    for (const { key, sizeBytes } of objects)
      expect((await readFile(join(folder, "downloaded", key))).length).toBe(sizeBytes);
    const readme = await readFile(join(projectDir, "README.md"), "utf8");
    const [recover = ""] = /^BACKUP_STORAGE_BUCKET=\.\/downloaded .*$/m.exec(readme) ?? [];
    const [, organizationId = ""] = /--organization (\S+)/.exec(line(" show ")) ?? [];
    await type([recover.replace("--organization ID", `--organization ${organizationId}`)]);
    const manifest = await readFile(join(folder, "recovered-download", "manifest.json"), "utf8");
    expect(JSON.parse(manifest)).toMatchObject({ sequence: 2 }); // the one that the printed lines made over HTTP
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
  "a guest is lost by the line that is printed, and comes back with all that hung on it by the next",
  async () => {
    const [, organizationId = "", guestId = ""] =
      /--organization (\S+) --record public\.guests:(\S+)/.exec(line(" restore ")) ?? [];
    const { databaseUrl } = JSON.parse(await readFile(join(folder, "data", "running.json"), "utf8")) as {
      databaseUrl: string;
    };
    const source = createPostgresSource({ url: databaseUrl });
    const observed = { source, catalogue: await loadCatalogue(null), database: { url: databaseUrl } };
    const guests = (): Promise<unknown[]> =>
      onServer(databaseUrl, `SELECT id FROM public.guests WHERE id = '${guestId}'`);
    try {
      const before = await checksumsOf(observed, organizationId);
      expect(await type([line("sample-sql")])).toBe("DELETE: 1 row\n");
      expect(await guests()).toEqual([]);
      expect(await checksumsOf(observed, organizationId)).not.toEqual(before);
      const said = await type([line(" restore ")]);
      expect(said).not.toContain("No row had to be written");
      expect(await guests()).toHaveLength(1);
      expect(await checksumsOf(observed, organizationId)).toEqual(before);
    } finally {
      await source.close();
    }
  },
  minutes(5),
);

test("SQL for the sample weddings says what is wrong, and never reaches a database of one's own", async () => {
  await expect(type(['node scripts/sample-sql.mjs "SELECT nothing FROM nowhere"'])).rejects.toThrow(
    'Not done: relation "nowhere" does not exist',
  );
  await expect(type(["node scripts/sample-sql.mjs"])).rejects.toThrow("Say the SQL");
  const own = join(folder, "own");
  await mkdir(own);
  const run = `BACKUP_DATA_DIR=${own} node scripts/sample-sql.mjs "SELECT 1"`;
  await expect(type([run])).rejects.toThrow("npm start must be running");
  await writeFile(join(own, "running.json"), JSON.stringify({ databaseUrl: null }));
  await expect(type([run])).rejects.toThrow("for the sample weddings alone");
});

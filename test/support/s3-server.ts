// versitygw: an S3 server that checks what a real one checks (checksums, conditions, signatures). Built from its Go module
// into the user's cache.
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startChildServer, waitUntilReady } from "../../src/local/child-server.ts";
import { findFreePort } from "../../src/local/free-port.ts";
import { buildProgram, findCachedProgram, type GoProgram } from "../../src/local/go-install.ts";
import { accepts } from "./accepts.ts";

const program: GoProgram = {
  name: "versitygw",
  version: "1.8.0",
  package: "github.com/versity/versitygw/cmd/versitygw",
};

export interface S3Server {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  stop(): Promise<void>;
}

export async function startS3Server(
  folder: string,
  cacheDir: string,
  say: (line: string) => void,
  options: readonly string[] = [],
  posixOptions: readonly string[] = [],
): Promise<S3Server> {
  const path = (await findCachedProgram(cacheDir, program)) ?? (await buildProgram(cacheDir, program, say));
  if (path === null) throw new Error("versitygw could not be built: install Go");
  const root = join(folder, "objects");
  await mkdir(root, { recursive: true });
  const accessKeyId = `test${randomBytes(6).toString("hex")}`;
  const secretAccessKey = randomBytes(20).toString("hex");
  const port = await findFreePort();
  const server = await startChildServer(
    "versitygw",
    path,
    [...options, "--port", `127.0.0.1:${port}`, "--quiet", "posix", ...posixOptions, root],
    {
      env: { ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey, HOME: folder },
      cwd: folder,
    },
  );
  await waitUntilReady("versitygw", server, 20_000, () => accepts(port));
  return { endpoint: `http://127.0.0.1:${port}`, accessKeyId, secretAccessKey, stop: () => server.stop() };
}

// Where the Temporal CLI is looked for, and in which order: with programs that are scripts, and a download from a server
// of the test's own.
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { findTemporalCli } from "../../../src/local/temporal-cli.ts";

const run = promisify(execFile);
const pathBefore = process.env["PATH"];
let folder: string;
let binDir: string;
let cacheDir: string;
let server: Server;
let requests: number;
let answer: RequestListener;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "temporal-cli-"));
  [binDir, cacheDir] = [join(folder, "bin"), join(folder, "cache")];
  await mkdir(binDir);
  // Nothing but what unpacking and the scripts need.
  for (const name of ["sh", "tar", "gzip", "cat", "chmod"]) {
    const { stdout } = await run("/bin/sh", ["-c", `command -v ${name}`]);
    await symlink(stdout.trim(), join(binDir, name));
  }
  process.env["PATH"] = binDir;
  requests = 0;
  answer = (_, response) => void response.writeHead(404).end();
  server = createServer((request, response) => {
    requests += 1;
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  process.env["PATH"] = pathBefore;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

const find = (cliPath: string | null = null, stallTimeoutMs = 20_000): Promise<string> =>
  findTemporalCli({
    cliPath,
    cacheDir,
    say: () => {},
    downloadUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    stallTimeoutMs,
  });

const cliScript = `#!/bin/sh\necho "temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)"\n`;

async function writeScript(path: string, text = cliScript): Promise<void> {
  await writeFile(path, text);
  await chmod(path, 0o755);
}

async function makeArchive(): Promise<Buffer> {
  const contentDir = join(folder, "content");
  await mkdir(contentDir);
  await writeScript(join(contentDir, "temporal"));
  await run("tar", ["-czf", join(folder, "a.tar.gz"), "-C", contentDir, "temporal"], { env: { PATH: pathBefore } });
  return await readFile(join(folder, "a.tar.gz"));
}

const cachedPath = (): string => join(cacheDir, "temporal-1.5.1", "temporal");

test("TEMPORAL_CLI_PATH comes before all, and no other way is taken where it does not run", async () => {
  await writeScript(join(binDir, "temporal"));
  const own = join(folder, "own");
  await writeScript(own);
  expect(await find(own)).toBe(own);
  await writeScript(own, "#!/bin/sh\necho something else\n");
  await expect(find(own)).rejects.toMatchObject({
    code: "TemporalUnavailable",
    message: expect.stringContaining("TEMPORAL_CLI_PATH"),
  });
});

test("the PATH comes before a download; then the download is kept, and the next start fetches nothing", async () => {
  const archive = await makeArchive();
  answer = (_, response) => void response.end(archive);
  await writeScript(join(binDir, "temporal"));
  expect([await find(), requests]).toEqual(["temporal", 0]);
  await rm(join(binDir, "temporal"));
  expect([await find(), requests]).toEqual([cachedPath(), 1]);
  expect([await find(), requests]).toEqual([cachedPath(), 1]);
  // A cached program that is not as it was kept is not run.
  await writeFile(cachedPath(), `${cliScript}# cut`);
  expect([await find(), requests]).toEqual([cachedPath(), 2]);
});

test("a slow line may take longer than the patience with a silent one", async () => {
  const archive = await makeArchive();
  const size = Math.ceil(archive.length / 6);
  answer = (_, response) => {
    let at = 0;
    const sending = setInterval(() => {
      response.write(archive.subarray(at, (at += size)));
      if (at < archive.length) return;
      clearInterval(sending);
      response.end();
    }, 500);
  };
  expect(await find(null, 2_000)).toBe(cachedPath());
});

test.each([
  ["cut off", (response: { destroy(): unknown }) => void response.destroy()],
  ["silent", () => {}],
])("a download that is %s is never used; Go builds the program then", async (_, interrupt) => {
  const archive = await makeArchive();
  answer = (_request, response) => {
    response.writeHead(200, { "content-length": archive.length });
    response.write(archive.subarray(0, archive.length - 20), () => interrupt(response));
  };
  await writeScript(
    join(binDir, "go"),
    `#!/bin/sh\ncat > "$GOBIN/temporal" <<'END'\n${cliScript}END\nchmod 755 "$GOBIN/temporal"\n`,
  );
  expect(await find(null, 1_000)).toBe(cachedPath());
  expect(requests).toBe(1);
  expect(await readdir(cacheDir)).toEqual(["temporal-1.5.1"]);
});

test("where no way works, one message names them all, and nothing is left", async () => {
  await expect(find()).rejects.toMatchObject({ code: "TemporalUnavailable" });
  const message = await find().catch((error: Error) => error.message);
  for (const way of ["TEMPORAL_ADDRESS", "PATH", "TEMPORAL_CLI_PATH", "download", "Go"]) expect(message).toContain(way);
  expect(await readdir(cacheDir)).toEqual([]);
});

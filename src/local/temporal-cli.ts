// Finds the Temporal CLI, which holds the development server: TEMPORAL_CLI_PATH, the PATH, the cache, the official
// download, and at last a build with Go.
import { execFile } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { BackupError } from "../domain/errors.ts";
import { buildProgram, findCachedProgram, keepProgram, type GoProgram } from "./go-install.ts";

const run = promisify(execFile);
const program: GoProgram = { name: "temporal", version: "1.5.1", package: "github.com/temporalio/cli/cmd/temporal" };

export async function findTemporalCli(options: {
  cliPath: string | null;
  cacheDir: string;
  say: (line: string) => void;
  downloadUrl?: string;
  stallTimeoutMs?: number;
}): Promise<string> {
  const { cliPath, cacheDir, say, downloadUrl = officialUrl(), stallTimeoutMs = 10_000 } = options;
  if (cliPath !== null) {
    if (await works(cliPath)) return cliPath;
    throw new BackupError("TemporalUnavailable", "TEMPORAL_CLI_PATH does not name a Temporal CLI that runs.");
  }
  if (await works("temporal")) return "temporal";
  const found =
    (await findCachedProgram(cacheDir, program)) ??
    (await download(cacheDir, say, downloadUrl, stallTimeoutMs)) ??
    (await buildProgram(cacheDir, program, say));
  if (found !== null && (await works(found))) return found;
  throw new BackupError(
    "TemporalUnavailable",
    "No Temporal server could be found or made. Do one of these: set TEMPORAL_ADDRESS to a server that runs; put the Temporal CLI on the PATH; " +
      "set TEMPORAL_CLI_PATH to it; connect to the internet, for its download; or install Go, to build it.",
  );
}

async function works(path: string): Promise<boolean> {
  return await run(path, ["--version"], { timeout: 20_000, env: process.env }).then(
    ({ stdout }) => stdout.includes("Server"),
    () => false,
  );
}

function officialUrl(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  return `https://temporal.download/cli/archive/v${program.version}?platform=${platform}&arch=${architecture}`;
}

/** A slow line may take its time; one on which nothing has come for `stallTimeoutMs` is given up. */
async function download(
  cacheDir: string,
  say: (line: string) => void,
  url: string,
  stallTimeoutMs: number,
): Promise<string | null> {
  const draftDir = join(cacheDir, `temporal-download.${process.pid}`);
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), stallTimeoutMs);
  try {
    const answer = await fetch(url, { signal: stalled.signal });
    if (!answer.ok || answer.body === null) return null;
    say(`downloading the Temporal CLI ${program.version}`);
    await mkdir(draftDir, { recursive: true });
    const archive = join(draftDir, "archive.tar.gz");
    const file = createWriteStream(archive);
    const body = Readable.fromWeb(answer.body).on("data", () => void timer.refresh());
    await pipeline(body, file);
    await run("tar", ["-xzf", archive, "-C", draftDir]);
    const draft = join(draftDir, "temporal");
    return (await works(draft)) ? await keepProgram(cacheDir, program, draft) : null;
  } catch {
    return null; // no internet: the next way is tried, and the last error names them all
  } finally {
    clearTimeout(timer);
    await rm(draftDir, { recursive: true, force: true });
  }
}

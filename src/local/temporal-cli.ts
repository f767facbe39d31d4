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
}): Promise<string> {
  const { cliPath, cacheDir, say } = options;
  if (cliPath !== null) {
    if (await works(cliPath)) return cliPath;
    throw new BackupError("TemporalUnavailable", "TEMPORAL_CLI_PATH does not name a Temporal CLI that runs.");
  }
  if (await works("temporal")) return "temporal";
  const found =
    (await findCachedProgram(cacheDir, program)) ??
    (await download(cacheDir, say)) ??
    (await buildProgram(cacheDir, program, say));
  if (found !== null && (await works(found))) return found;
  throw new BackupError(
    "TemporalUnavailable",
    "No Temporal server could be found or made. Do one of these: set TEMPORAL_ADDRESS to a server that runs; put the Temporal CLI on the PATH; " +
      "set TEMPORAL_CLI_PATH to it; connect to the internet, for its download; or install Go, to build it.",
  );
}

async function works(path: string): Promise<boolean> {
  return await run(path, ["--version"], { timeout: 20_000 }).then(
    ({ stdout }) => stdout.includes("Server"),
    () => false,
  );
}

const downloadTimeoutMs = 10_000;

async function download(cacheDir: string, say: (line: string) => void): Promise<string | null> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const url = `https://temporal.download/cli/archive/v${program.version}?platform=${platform}&arch=${architecture}`;
  const draftDir = join(cacheDir, `temporal-download.${process.pid}`);
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(downloadTimeoutMs) });
    if (!answer.ok || answer.body === null) return null;
    say(`downloading the Temporal CLI ${program.version}`);
    await mkdir(draftDir, { recursive: true });
    const archive = join(draftDir, "archive.tar.gz");
    await pipeline(Readable.fromWeb(answer.body), createWriteStream(archive));
    await run("tar", ["-xzf", archive, "-C", draftDir]);
    const draft = join(draftDir, "temporal");
    return (await works(draft)) ? await keepProgram(cacheDir, program, draft) : null;
  } catch {
    return null; // no internet: the next way is tried, and the last error names them all
  } finally {
    await rm(draftDir, { recursive: true, force: true });
  }
}

// The command line as a person or a script runs it: every command a process of its own, with an environment of its own.
// Everything that the processes write, and all their arguments as other users of the machine see them, is kept: a test
// looks there for secrets.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { waitUntil } from "./wait-until.ts";

export type CommandEnvironment = Readonly<Record<string, string>>;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly pid: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Waits for a line on stderr. @throws when the process ends first */
  readonly says: (words: string) => Promise<void>;
  readonly signal: (name: NodeJS.Signals) => void;
  readonly ended: Promise<Ended>;
}

const mainPath = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

export function createCommandLine(environment: CommandEnvironment) {
  const written: string[] = [];
  const seenArguments = new Set<string>();

  function start(parameters: readonly string[], more: CommandEnvironment = {}): RunningCommand {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", mainPath, ...parameters], {
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: process.env["HOME"] ?? "",
        NODE_COMPILE_CACHE: join(cacheFolder(process.env), "compile-cache"),
        ...environment,
        ...more,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const pid = child.pid as number;
    let [stdout, stderr] = ["", ""];
    let over = false;
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    // One look at a time: on a busy machine looks that pile up would keep this process from reading the pipes, and a
    // command whose pipe is full stands still.
    let isLooking = false;
    const look = async (): Promise<void> => {
      if (isLooking) return;
      isLooking = true;
      for (const line of await readArguments(pid)) seenArguments.add(line);
      isLooking = false;
    };
    void look();
    const looking = setInterval(() => void look(), 100);
    const ended = once(child, "close").then(([code]: (number | null)[]): Ended => {
      over = true;
      clearInterval(looking);
      written.push(stdout, stderr);
      return { code: code ?? null, stdout, stderr };
    });
    return {
      pid,
      stdout: () => stdout,
      stderr: () => stderr,
      async says(words) {
        await waitUntil(`a line with: ${words}`, () => over || stderr.includes(words));
        if (!stderr.includes(words)) throw new Error(`it ended before it said ${words}: ${stdout}${stderr}`);
      },
      signal: (name) => void child.kill(name),
      ended,
    };
  }

  return {
    start,
    run: (parameters: readonly string[], more: CommandEnvironment = {}): Promise<Ended> =>
      start(parameters, more).ended,
    /** With --json; anything on stdout but one document fails the test. */
    async json(
      parameters: readonly string[],
      more: CommandEnvironment = {},
    ): Promise<{ code: number | null; json: never }> {
      const { code, stdout, stderr } = await start(["--json", ...parameters], more).ended;
      try {
        return { code, json: JSON.parse(stdout) as never };
      } catch {
        throw new Error(`not one JSON document (exit ${code}): ${stdout}\n${stderr}`);
      }
    },
    /** What all the processes wrote, and what all of them, and their children, were started with. */
    everythingShown: () => ({ written: written.join("\n"), arguments: [...seenArguments] }),
  };
}

/** Of a process and all that it has started; none where the system has no /proc or the process is gone. */
async function readArguments(pid: number): Promise<string[]> {
  const pids = [pid, ...(await descendantsOf(pid))];
  const lines = await Promise.all(pids.map((each) => readFile(`/proc/${each}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line !== "").map((line) => line.replaceAll("\0", " ").trim());
}

export async function descendantsOf(pid: number): Promise<number[]> {
  const found: number[] = [];
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  for (const thread of threads) {
    const text = await readFile(`/proc/${pid}/task/${thread}/children`, "utf8").catch(() => "");
    for (const child of text.split(" ").filter(Boolean).map(Number)) found.push(child, ...(await descendantsOf(child)));
  }
  return found;
}

/** A process that ended, and that nobody has asked about, is over, too. */
export function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.startsWith("Z") === false;
  } catch {
    return false;
  }
}

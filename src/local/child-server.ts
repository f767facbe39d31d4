// A server as a child process: its output kept for the error message, its end noticed, its stop clean.
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { BackupError } from "../domain/errors.ts";

export interface ChildServer {
  readonly pid: number;
  /** The last lines that it wrote. */
  output(): string;
  stop(): Promise<void>;
  readonly exited: Promise<void>;
}

export async function startChildServer(
  name: string,
  command: string,
  parameters: readonly string[],
  options: SpawnOptions,
): Promise<ChildServer> {
  // A group of its own: Ctrl-C in the terminal reaches only us, and we stop the servers in order.
  const child: ChildProcess = spawn(command, parameters, {
    ...options,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const keep = (chunk: Buffer): void => {
    lines.push(chunk.toString());
    while (lines.length > 50) lines.shift();
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const exited = once(child, "exit").then(() => {});
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error) =>
      reject(
        new BackupError("ServerUnavailable", `${name} could not be started: ${error.message}`, {}, { cause: error }),
      ),
    );
  });
  child.on("error", () => {}); // its end is seen by `exited`
  return {
    pid: child.pid as number,
    output: () => lines.join(""),
    exited,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGINT");
      const force = setTimeout(() => child.kill("SIGKILL"), 15_000);
      await exited;
      clearTimeout(force);
    },
  };
}

/** Asks until it answers. @throws ServerUnavailable with the server's own last words when it ends or takes too long. */
export async function waitUntilReady(
  name: string,
  server: ChildServer,
  timeoutMs: number,
  isReady: () => Promise<boolean>,
): Promise<void> {
  let over = false;
  void server.exited.then(() => (over = true));
  const deadlineMs = performance.now() + timeoutMs;
  while (performance.now() < deadlineMs && !over) {
    if (await isReady()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await server.stop();
  throw new BackupError(
    "ServerUnavailable",
    `${name} ${over ? "ended" : "did not answer in time"}:\n${server.output().trim()}`,
  );
}

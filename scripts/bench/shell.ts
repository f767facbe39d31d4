// Runs a peer as people do: a shell line. A pipe counts as failed when any part of it fails.
import { spawn } from "node:child_process";

/** @returns the wall time in seconds. */
export async function timeShell(line: string, env: Readonly<Record<string, string>>): Promise<number> {
  const startedMs = performance.now();
  const child = spawn("bash", ["-o", "pipefail", "-c", line], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let words = "";
  child.stderr.on("data", (chunk: Buffer) => (words = (words + chunk.toString()).slice(-2_000)));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code !== 0) throw new Error(`a peer failed (${code}): ${line.slice(0, 200)}\n${words}`);
  return (performance.now() - startedMs) / 1000;
}

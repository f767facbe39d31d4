// Runs a program and keeps its output; for scripts that show it only when it matters.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const projectRoot = dirname(dirname(fileURLToPath(import.meta.url)));

export interface StepResult {
  readonly code: number;
  readonly output: string;
  readonly seconds: number;
}

export async function runStep(
  command: string,
  parameters: readonly string[],
  options: { show: boolean; env?: Record<string, string> },
): Promise<StepResult> {
  const startedMs = performance.now();
  const bin = join(projectRoot, "node_modules", ".bin");
  const env = { ...process.env, PATH: `${bin}:${process.env["PATH"] ?? ""}`, ...options.env };
  return await new Promise((resolve, reject) => {
    const child = spawn(command, parameters, { cwd: projectRoot, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      if (options.show) process.stdout.write(chunk);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", reject);
    child.on("exit", (code) => resolve({ code: code ?? 1, output, seconds: (performance.now() - startedMs) / 1000 }));
  });
}

export const jestEnvironment = { NODE_OPTIONS: "--experimental-vm-modules --no-warnings" };

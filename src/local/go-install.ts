// Builds a server from the Go module proxy into the user's cache, once for each version.
import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface GoProgram {
  readonly name: string;
  readonly version: string;
  /** Import path without the version. */
  readonly package: string;
}

/** The program's path when the cache holds it whole; null otherwise. */
export async function findCachedProgram(cacheDir: string, { name, version }: GoProgram): Promise<string | null> {
  const path = join(cacheDir, `${name}-${version}`, name);
  try {
    const [recorded, actual] = await Promise.all([readFile(`${path}.sha256`, "utf8"), sha256(path)]);
    return recorded.trim() === actual ? path : null;
  } catch {
    return null; // absent, or cut off while it was made: it is made again
  }
}

/** Keeps a program in the cache, with its checksum; a crash on the way leaves nothing that looks whole. */
export async function keepProgram(cacheDir: string, { name, version }: GoProgram, draft: string): Promise<string> {
  const folder = join(cacheDir, `${name}-${version}`);
  const path = join(folder, name);
  await mkdir(folder, { recursive: true });
  await chmod(draft, 0o755);
  await rename(draft, path);
  await writeFile(`${path}.sha256`, await sha256(path));
  return path;
}

/** Null when there is no Go or the build fails; takes minutes and says so as it goes. */
export async function buildProgram(
  cacheDir: string,
  program: GoProgram,
  say: (line: string) => void,
): Promise<string | null> {
  const draftDir = join(cacheDir, `${program.name}-${program.version}.${process.pid}`);
  await mkdir(draftDir, { recursive: true });
  const startedMs = performance.now();
  const seconds = (): string => `${Math.round((performance.now() - startedMs) / 1000)} s`;
  say(`building ${program.name} ${program.version} with Go; this takes a few minutes, once`);
  const telling = setInterval(() => say(`still building ${program.name} (${seconds()})`), 15_000);
  try {
    const parameters = ["install", "-trimpath", "-ldflags=-s -w", `${program.package}@v${program.version}`];
    const built = await new Promise<boolean>((resolve) => {
      const child = spawn("go", parameters, {
        env: { ...process.env, GOBIN: draftDir, GOFLAGS: "" },
        stdio: ["ignore", "ignore", "pipe"],
      });
      const words: string[] = [];
      child.stderr.on("data", (chunk: Buffer) => words.push(chunk.toString()));
      child.on("error", () => resolve(false)); // no Go on this machine
      child.on("exit", (code) => {
        if (code !== 0)
          say(`building ${program.name} failed: ${words.join("").trim().split("\n").slice(-3).join(" ")}`);
        resolve(code === 0);
      });
    });
    if (!built) return null;
    say(`built ${program.name} in ${seconds()}`);
    return await keepProgram(cacheDir, program, join(draftDir, program.name));
  } finally {
    clearInterval(telling);
    await rm(draftDir, { recursive: true, force: true });
  }
}

async function sha256(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size === 0) throw new Error("empty");
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

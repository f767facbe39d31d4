// The last full run of each part of `npm run bench`, as it was kept. No figure is written by hand.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { projectRoot } from "../run-step.ts";
import type { BenchResult } from "./result.ts";

/** By part. Ours and its peers are always of one run; two parts may be of two. */
type KeptResults = Readonly<Record<string, BenchResult>>;

const keptPath = join(projectRoot, "scripts/bench/last-full-runs.json");

export async function readKeptResults(): Promise<KeptResults> {
  const text = await readFile(keptPath, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "{}";
    throw error;
  });
  return JSON.parse(text) as KeptResults;
}

export async function keepResults(results: KeptResults): Promise<void> {
  await writeFile(keptPath, `${JSON.stringify({ ...(await readKeptResults()), ...results }, null, 2)}\n`);
}

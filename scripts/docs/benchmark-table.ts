// The last full run of each part of `npm run bench`, as it was kept. No figure is written by hand.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describeResults, type BenchResult } from "../bench/result.ts";
import { projectRoot } from "../run-step.ts";

/** By part. Ours and its peers are always of one run; two parts may be of two. */
type KeptResults = Readonly<Record<string, BenchResult>>;

const keptPath = join(projectRoot, "scripts/bench/last-full-runs.json");

async function readKept(): Promise<KeptResults> {
  const text = await readFile(keptPath, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "{}";
    throw error;
  });
  return JSON.parse(text) as KeptResults;
}

export async function keepResults(results: KeptResults): Promise<void> {
  await writeFile(keptPath, `${JSON.stringify({ ...(await readKept()), ...results }, null, 2)}\n`);
}

export async function benchmarkTable(): Promise<string> {
  const results = Object.values(await readKept());
  return results.length === 0
    ? "No full run has been kept yet: `npm run bench -- --keep` makes one."
    : describeResults(results);
}

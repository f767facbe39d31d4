// The last full run of `npm run bench`, as it was kept. No figure is written by hand.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describeResult, type BenchResult } from "../bench/result.ts";
import { projectRoot } from "../run-step.ts";

export const keptResultPath = "scripts/bench/last-full-run.json";

export async function benchmarkTable(): Promise<string> {
  const text = await readFile(join(projectRoot, keptResultPath), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (text === null) return "No full run has been kept yet: `npm run bench -- --keep` makes one.";
  return describeResult(JSON.parse(text) as BenchResult);
}

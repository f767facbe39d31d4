// The README's table of measured figures.
import { readKeptResults } from "../bench/kept-results.ts";
import { describeResults } from "../bench/result.ts";

export async function benchmarkTable(): Promise<string> {
  const results = Object.values(await readKeptResults());
  return results.length === 0
    ? "No full run has been kept yet: `npm run bench -- --keep` makes one."
    : describeResults(results);
}

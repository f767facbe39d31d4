// npm test: the checks with the fast tests, then every test on real servers. The last line counts: "N passed, N failed".
// With parameters: only jest, with those (npm test -- test/integration/recover).
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jestEnvironment, runStep } from "./run-step.ts";

interface Counts {
  readonly passed: number;
  readonly failed: number;
}

const chosen = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), "wedsync-backup-results-"));
const counts: Counts[] = [];
try {
  if (chosen.length === 0) {
    const path = join(folder, "fast.json");
    const { code } = await runStep("node", ["scripts/check.ts", "--results", path], { show: true });
    counts.push(await countTests(path, code));
  }
  const path = join(folder, "jest.json");
  const projects = chosen.length === 0 ? ["--selectProjects", "real"] : [];
  // One at a time: the tests share two cores with the servers that they test.
  const parameters = [...projects, "--runInBand", "--json", `--outputFile=${path}`, ...chosen];
  const { code } = await runStep("jest", parameters, { show: true, env: jestEnvironment });
  counts.push(await countTests(path, code));
} finally {
  await rm(folder, { recursive: true, force: true });
}
const passed = counts.reduce((sum, each) => sum + each.passed, 0);
const failed = counts.reduce((sum, each) => sum + each.failed, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

interface JestResults {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
}

/** A run that failed without naming a test (a check, a crash, no results at all) counts as one failure. */
async function countTests(path: string, code: number): Promise<Counts> {
  const results = JSON.parse(await readFile(path, "utf8").catch(() => "null")) as JestResults | null;
  const named = (results?.numFailedTests ?? 0) + (results?.numRuntimeErrorTestSuites ?? 0);
  return { passed: results?.numPassedTests ?? 0, failed: code !== 0 ? Math.max(named, 1) : named };
}

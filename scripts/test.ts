// npm test: the checks, then every test on real servers. The last line counts: "N passed, N failed".
// With parameters: only jest, with those (npm test -- test/integration/recover).
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jestEnvironment, runStep } from "./run-step.ts";

const chosen = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), "wedsync-backup-results-"));
const resultsPath = join(folder, "jest.json");
let passed = 0;
let failed = 0;
try {
  if (chosen.length === 0) {
    const check = await runStep("node", ["scripts/check.ts"], { show: true });
    if (check.code !== 0) failed += 1;
  }
  const projects = chosen.length === 0 ? ["--selectProjects", "real"] : [];
  // One at a time: the tests share two cores with the servers that they test.
  const jest = await runStep("jest", [...projects, "--runInBand", "--json", `--outputFile=${resultsPath}`, ...chosen], {
    show: true,
    env: jestEnvironment,
  });
  const results = JSON.parse(await readFile(resultsPath, "utf8").catch(() => "null")) as JestResults | null;
  passed += results?.numPassedTests ?? 0;
  failed += (results?.numFailedTests ?? 0) + (results?.numRuntimeErrorTestSuites ?? 0);
  if (jest.code !== 0 && failed === 0) failed = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

interface JestResults {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
}

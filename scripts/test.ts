// npm test: the checks with the fast tests, then every test on real servers. The last line counts: "N passed, N failed".
// With parameters: only jest, with those (npm test -- test/integration/recover).
//
// Real servers on a busy machine can be late. So in a whole run, files with failures get a second try, alone; a test that
// passes only then is named, so that it is looked at. One that fails twice has failed.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jestEnvironment, runStep } from "./run-step.ts";

interface Results {
  readonly passed: number;
  readonly failed: number;
  readonly failedFiles: readonly string[];
}

/** More broken files than this are no accident. */
const maxSecondTries = 3;
const chosen = process.argv.slice(2);
const isWhole = chosen.length === 0;
const folder = await mkdtemp(join(tmpdir(), "wedsync-backup-results-"));
const all: Results[] = [];
try {
  if (isWhole) {
    const path = join(folder, "fast.json");
    const { code } = await runStep("node", ["scripts/check.ts", "--results", path], { show: true });
    all.push(await readResults(path, code));
  }
  const first = await runJest("first", isWhole ? "real" : null, chosen);
  const { failedFiles } = first;
  if (isWhole && failedFiles.length > 0 && failedFiles.length <= maxSecondTries) {
    console.log(`failed, and tried once more alone: ${failedFiles.join(", ")}`);
    const second = await runJest("second", "real", failedFiles);
    const late = first.failed - second.failed;
    if (late > 0) console.log(`LATE: ${late} tests passed only at the second try; see above which`);
    all.push({ passed: first.passed + Math.max(0, late), failed: second.failed, failedFiles: second.failedFiles });
  } else {
    all.push(first);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
const passed = all.reduce((sum, each) => sum + each.passed, 0);
const failed = all.reduce((sum, each) => sum + each.failed, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

async function runJest(name: string, project: string | null, files: readonly string[]): Promise<Results> {
  const path = join(folder, `${name}.json`);
  // The files come last: --selectProjects takes every word up to the next option.
  const projects = project === null ? [] : ["--selectProjects", project];
  const parameters = [...projects, ...oneAtATime(files), "--json", `--outputFile=${path}`, ...files];
  const { code } = await runStep("jest", parameters, { show: true, env: jestEnvironment });
  return await readResults(path, code);
}

/**
 * The tests share two cores with the servers that they test. Each of many files gets a process of its own (a limit of 0
 * is jest's word for that; it is also what makes jest start one for a single worker). In one process the heap keeps much
 * of every file that has run, and V8 marks all of it whenever buffers of rows add up: file by file everything that works
 * with bytes gets slower.
 */
function oneAtATime(files: readonly string[]): readonly string[] {
  return files.length === 1 ? ["--runInBand"] : ["--maxWorkers=1", "--workerIdleMemoryLimit=0"];
}

interface JestResults {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly { readonly name: string; readonly status: string }[];
}

/** A run that failed without naming a test (a check, a crash, no results at all) counts as one failure. */
async function readResults(path: string, code: number): Promise<Results> {
  const results = JSON.parse(await readFile(path, "utf8").catch(() => "null")) as JestResults | null;
  const named = (results?.numFailedTests ?? 0) + (results?.numRuntimeErrorTestSuites ?? 0);
  return {
    passed: results?.numPassedTests ?? 0,
    failed: code !== 0 ? Math.max(named, 1) : named,
    failedFiles: (results?.testResults ?? []).filter((each) => each.status === "failed").map((each) => each.name),
  };
}

// npm run check: everything that needs no server. Quick enough to run all the time.
// With --results FILE the fast tests' figures are left in that file, for who counts.
import { jestEnvironment, runStep } from "./run-step.ts";

const resultsAt = process.argv.indexOf("--results");
const results = resultsAt < 0 ? [] : ["--json", `--outputFile=${process.argv[resultsAt + 1] ?? ""}`];
const steps: readonly { name: string; command: string; parameters: readonly string[]; env?: Record<string, string> }[] =
  [
    { name: "format", command: "oxfmt", parameters: ["--check", "."] },
    { name: "lint", command: "oxlint", parameters: ["--type-aware", "--deny-warnings"] },
    { name: "types", command: "tsc", parameters: ["-p", "tsconfig.json"] },
    { name: "types of workflows (no Node)", command: "tsc", parameters: ["-p", "workflows/tsconfig.json"] },
    {
      name: "import rules",
      command: "depcruise",
      parameters: ["--config", ".dependency-cruiser.mjs", "src", "workflows", "activities"],
    },
    { name: "dead code", command: "knip", parameters: [] },
    { name: "documents", command: "node", parameters: ["scripts/docs.ts", "--check"] },
    { name: "fast tests", command: "jest", parameters: ["--selectProjects", "fast", ...results], env: jestEnvironment },
  ];

let failed = 0;
for (const { name, command, parameters, env } of steps) {
  const { code, output, seconds } = await runStep(command, parameters, { show: false, env });
  console.log(`${code === 0 ? "ok  " : "FAIL"} ${name} (${seconds.toFixed(1)} s)`);
  if (code === 0) continue;
  failed += 1;
  console.log(output.trimEnd());
}
console.log(
  failed === 0 ? `check: all ${steps.length} steps passed` : `check: ${failed} of ${steps.length} steps failed`,
);
process.exitCode = failed === 0 ? 0 : 1;

// npm run docs: writes the generated parts of the documents, between their markers. With --check it writes nothing, and
// fails where a part is not what the code says, where a link leads nowhere, or where a command that is shown does not exist.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findDeadLinks } from "./docs/dead-links.ts";
import { findUnknownCommands } from "./docs/unknown-commands.ts";
import { fillBlocks } from "./docs/generated-blocks.ts";
import { generators } from "./docs/generators.ts";
import { listDocuments } from "./docs/list-documents.ts";
import { projectRoot } from "./run-step.ts";

const isCheck = process.argv.includes("--check");
const problems: string[] = [];
for (const path of await listDocuments()) {
  const text = await readFile(join(projectRoot, path), "utf8");
  const { filled, unknown } = await fillBlocks(text, generators);
  problems.push(...unknown.map((name) => `${path}: nothing generates a part called "${name}"`));
  if (filled !== text) {
    if (isCheck) problems.push(`${path}: a generated part is out of date; run: npm run docs`);
    else await writeFile(join(projectRoot, path), filled);
  }
  problems.push(...(await findDeadLinks(path, filled)), ...(await findUnknownCommands(path, filled)));
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
process.exit(); // the CLI's modules, which were loaded for their help, may keep the loop alive

// Commands that a document shows must exist: npm scripts, verbs of wedsync-backup, and the verbs' options.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { program } from "../../src/cli/main.ts";
import { projectRoot } from "../run-step.ts";
import { listVerbs } from "./command-table.ts";

export async function findUnknownCommands(path: string, text: string): Promise<string[]> {
  const manifest = JSON.parse(await readFile(join(projectRoot, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const problems: string[] = [];
  for (const code of codeOf(text)) {
    for (const [, name = ""] of code.matchAll(/\bnpm run ([\w:-]+)/g))
      if (!Object.hasOwn(manifest.scripts, name)) problems.push(`${path}: there is no npm script ${name}`);
    for (const [, words = ""] of code.matchAll(/\bwedsync-backup((?: +[^\s|&;>`)]+)+)/g)) {
      const problem = findProblem(words.trim().split(/ +/));
      if (problem !== null) problems.push(`${path}: \`wedsync-backup${words}\`: ${problem}`);
    }
  }
  return problems;
}

/** Fenced blocks line by line, and code inside lines. */
function codeOf(text: string): string[] {
  const fences = [...text.matchAll(/```[^\n]*\n([\s\S]*?)```/g)].flatMap(([, body = ""]) => body.split("\n"));
  const spans = [...text.replaceAll(/```[\s\S]*?```/g, "").matchAll(/`([^`\n]+)`/g)].map(([, body = ""]) => body);
  return [...fences, ...spans];
}

function findProblem(words: readonly string[]): string | null {
  const rest = words.filter((word, index) => !(index === 0 && word.startsWith("--")));
  const first = rest[0];
  if (first === undefined || !/^[a-z]+$/.test(first)) return null; // a flag alone, or prose
  const found = listVerbs().find(({ path }) => path === rest.slice(0, path.split(" ").length).join(" "));
  if (found === undefined) return "there is no such verb";
  for (const word of rest.filter((each) => each.startsWith("-"))) {
    const flag = word.split("=")[0];
    const known = [...found.verb.options, ...program.options].some((each) => each.long === flag || each.short === flag);
    if (!known && flag !== "--help") return `there is no option ${flag}`;
  }
  return null;
}

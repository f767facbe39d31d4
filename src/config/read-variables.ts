// From the environment to values of the right form: what is empty is not set, secrets may lie in files, and what is wrong
// is a problem with a name, never with a value.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { secretVariables, variables, type Variables } from "./variables.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export function readVariables(
  environment: Environment,
  cwd: string,
  problems: string[],
): { given: Record<string, string>; values: Variables } {
  const given = readSecretFiles(withoutEmpty(environment), cwd, problems);
  return { given, values: parseVariables(given, problems) };
}

/** An empty variable is one that is not set: compose files and CI write them so. */
function withoutEmpty(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ""),
  );
}

function readSecretFiles(given: Record<string, string>, cwd: string, problems: string[]): Record<string, string> {
  for (const name of secretVariables) {
    const file = given[`${name}_FILE`];
    if (file === undefined) continue;
    if (given[name] !== undefined) problems.push(`${name} and ${name}_FILE are both set; set one`);
    const text = readFileOrProblem(`${name}_FILE`, resolve(cwd, file), problems)?.trim();
    if (text === "") problems.push(`${name}_FILE names an empty file`);
    else if (text !== undefined) given[name] = text;
  }
  return given;
}

/** What has the right form, also when something else has not: the checks that follow can speak of it. */
function parseVariables(given: Record<string, string>, problems: string[]): Variables {
  const parsed = variables.safeParse(given);
  if (parsed.success) return parsed.data;
  const refused = new Set<string>();
  for (const issue of parsed.error.issues) {
    const name = String(issue.path[0]);
    if (refused.has(name)) continue;
    refused.add(name);
    problems.push(`${name} ${issue.message}`);
  }
  return variables.parse(Object.fromEntries(Object.entries(given).filter(([name]) => !refused.has(name))));
}

export function readFileOrProblem(name: string, path: string, problems: string[]): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    problems.push(`${name} names a file that can't be read (${(error as NodeJS.ErrnoException).code ?? "unknown"})`);
    return undefined;
  }
}

// Links inside the project: the file must exist, and a heading that is named must be there.
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { projectRoot } from "../run-step.ts";

const link = /\[[^\]]*\]\(([^)\s]+)\)/g;

export async function findDeadLinks(path: string, text: string): Promise<string[]> {
  const problems: string[] = [];
  for (const [, target = ""] of withoutCode(text).matchAll(link)) {
    if (/^[a-z]+:/i.test(target)) continue;
    const [file = "", heading] = target.split("#");
    const found = file === "" ? path : join(dirname(path), decodeURI(file));
    const isThere = await stat(join(projectRoot, found)).then(
      () => true,
      () => false,
    );
    if (!isThere) problems.push(`${path}: the link ${target} leads nowhere`);
    else if (heading !== undefined && found.endsWith(".md")) {
      const other = found === path ? text : await readFile(join(projectRoot, found), "utf8");
      if (!anchorsOf(other).has(heading))
        problems.push(`${path}: the link ${target} names a heading that is not there`);
    }
  }
  return problems;
}

const withoutCode = (text: string): string => text.replaceAll(/```[\s\S]*?```/g, "").replaceAll(/`[^`\n]*`/g, "");

/** As GitHub makes them. */
export function anchorsOf(text: string): Set<string> {
  const headings = text.replaceAll(/```[\s\S]*?```/g, "").matchAll(/^#+ +(.+)$/gm);
  return new Set(
    [...headings].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .trim()
        .replaceAll(" ", "-"),
    ),
  );
}

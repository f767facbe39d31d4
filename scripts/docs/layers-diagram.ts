// Who imports whom, as Mermaid draws it: folders from dependency-cruiser, without arrows that a longer way shows already.
import { runStep } from "../run-step.ts";

interface Cruised {
  readonly modules: readonly {
    readonly source: string;
    readonly dependencies: readonly { readonly resolved: string }[];
  }[];
}

const folder = /^(src\/[^/.]+|workflows|activities)$/;

export async function layersDiagram(): Promise<string> {
  const parameters = ["--config", ".dependency-cruiser.mjs", "--output-type", "json"];
  parameters.push("--collapse", "^(src/[^/]+|workflows|activities)", "src", "workflows", "activities");
  const { code, output } = await runStep("depcruise", parameters, { show: false });
  if (code !== 0) throw new Error(`depcruise failed:\n${output.slice(0, 2_000)}`);
  const { modules } = JSON.parse(output) as Cruised;
  const arrows = new Map<string, Set<string>>();
  for (const { source, dependencies } of modules) {
    if (!folder.test(source)) continue;
    const targets = dependencies.map((each) => each.resolved).filter((each) => folder.test(each) && each !== source);
    arrows.set(source, new Set(targets));
  }
  const lines = ["flowchart TD"];
  for (const source of [...arrows.keys()].sort()) {
    for (const target of withoutDetours(arrows, source))
      lines.push(`  ${idOf(source)}[${source}] --> ${idOf(target)}[${target}]`);
  }
  return `\`\`\`mermaid\n${lines.join("\n")}\n\`\`\``;
}

const idOf = (name: string): string => name.replace(/^src\//, "");

/** The direct imports that no other direct import leads to. */
function withoutDetours(arrows: ReadonlyMap<string, ReadonlySet<string>>, source: string): string[] {
  const direct = [...(arrows.get(source) ?? [])].sort();
  return direct.filter(
    (target) => !direct.some((other) => other !== target && reaches(arrows, other, target, new Set([source]))),
  );
}

function reaches(
  arrows: ReadonlyMap<string, ReadonlySet<string>>,
  from: string,
  to: string,
  seen: Set<string>,
): boolean {
  if (seen.has(from)) return false;
  seen.add(from);
  return [...(arrows.get(from) ?? [])].some((next) => next === to || reaches(arrows, next, to, seen));
}

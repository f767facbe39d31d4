// The verbs of the command line, as the program itself describes them.
import type { Command } from "commander";
import { program } from "../../src/cli/main.ts";
import { markdownTable } from "./markdown-table.ts";

/** Every verb that does something, with the words before it: `policy create`. */
export function listVerbs(
  command: Command = program,
  before: readonly string[] = [],
): { path: string; verb: Command }[] {
  return command.commands.flatMap((verb) => {
    const path = [...before, verb.name()];
    return verb.commands.length > 0 ? listVerbs(verb, path) : [{ path: path.join(" "), verb }];
  });
}

export async function commandTable(): Promise<string> {
  const rows = listVerbs().map(({ path, verb }) => {
    const parameters = verb.registeredArguments.map((each) =>
      each.required ? ` <${each.name()}>` : ` [${each.name()}]`,
    );
    const options = verb.options.map((option) => `\`${option.long ?? option.flags}\``);
    return [`\`${path}${parameters.join("")}\``, verb.description(), options.join(" ")];
  });
  return markdownTable(["verb", "what it does", "options"], rows);
}

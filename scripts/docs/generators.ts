// What can stand in a document's generated part, by name.
import { secretVariables, variables } from "../../src/config/config.ts";
import { errorTable } from "../../src/domain/errors.ts";
import { benchmarkTable } from "./benchmark-table.ts";
import { commandTable } from "./command-table.ts";
import type { Generator } from "./generated-blocks.ts";
import { layersDiagram } from "./layers-diagram.ts";
import { markdownTable } from "./markdown-table.ts";

async function errorsTable(): Promise<string> {
  const rows = Object.entries(errorTable).map(([code, { meaning, retryable, httpStatus, exitCode }]) => [
    `\`${code}\``,
    meaning,
    retryable ? "yes" : "no",
    String(httpStatus),
    String(exitCode),
  ]);
  return markdownTable(["code", "meaning", "retried", "HTTP", "exit"], rows);
}

async function variablesTable(): Promise<string> {
  const secret = new Set<string>(secretVariables);
  const rows = Object.entries(variables.shape).map(([name, { description }]) => [
    `\`${name}\`${secret.has(name) ? " *" : ""}`,
    description ?? "",
  ]);
  return markdownTable(["variable", "meaning"], rows);
}

export const generators: Readonly<Record<string, Generator>> = {
  errors: errorsTable,
  variables: variablesTable,
  commands: commandTable,
  layers: layersDiagram,
  benchmark: benchmarkTable,
};

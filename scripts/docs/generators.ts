// What can stand in a document's generated part, by name.
import { secretVariables, variables } from "../../src/config/variables.ts";
import { actionTable, mayDo, roles, type Action } from "../../src/domain/authorization.ts";
import { errorTable } from "../../src/domain/errors.ts";
import { endpoints } from "../../src/facade/endpoints.ts";
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

async function authorizationTable(): Promise<string> {
  const rows = (Object.keys(actionTable) as Action[]).map((action) => [
    `\`${action}\``,
    actionTable[action].meaning,
    ...roles.map((role) => (mayDo(role, action) ? "yes" : "")),
  ]);
  return markdownTable(["right", "meaning", ...roles], rows);
}

async function endpointsTable(): Promise<string> {
  const rows = endpoints.map(({ method, path, summary, action }) => [
    `\`${method.toUpperCase()} ${path}\``,
    summary,
    `\`${action}\``,
  ]);
  return markdownTable(["endpoint", "what", "right"], rows);
}

export const generators: Readonly<Record<string, Generator>> = {
  errors: errorsTable,
  variables: variablesTable,
  authorization: authorizationTable,
  endpoints: endpointsTable,
  commands: commandTable,
  layers: layersDiagram,
  benchmark: benchmarkTable,
};

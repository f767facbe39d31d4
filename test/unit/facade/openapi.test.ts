// The document, the router and the docs say the same, because they are made from the same list; these tests notice when
// somebody adds a route beside it.
import { describe, expect, test } from "@jest/globals";
import type { Express } from "express";
import { actionTable, mayDo, roles } from "../../../src/domain/authorization.ts";
import { errorTable } from "../../../src/domain/errors.ts";
import { createFacade, expressPath } from "../../../src/facade/application.ts";
import { endpoints } from "../../../src/facade/endpoints.ts";
import { openApiDocument, refusalsOf } from "../../../src/facade/openapi.ts";

interface Layer {
  readonly route?: { readonly path: string; readonly stack: readonly { readonly method?: string }[] };
}

function routesOf(app: Express): string[] {
  const { stack } = (app as unknown as { router: { stack: Layer[] } }).router;
  return stack.flatMap(({ route }) =>
    route === undefined
      ? []
      : route.stack.flatMap(({ method }) => (method === undefined ? [] : [`${method} ${route.path}`])),
  );
}

const open = ["get /livez", "get /readyz", "get /openapi.json", "get /docs"];

describe("the OpenAPI document", () => {
  const document = openApiDocument(endpoints);
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, unknown>).map(([method, operation]) => ({ path, method, operation })),
  );

  test("names every route of the router, and no other", () => {
    const app = createFacade({ checks: {}, trustedProxies: 0 } as never);
    const documented = operations.map(({ path, method }) => `${method} ${expressPath(path)}`);
    expect(routesOf(app).sort()).toEqual([...open, ...documented].sort());
  });

  test("states an answer and a problem for every status that an endpoint refuses with", () => {
    for (const endpoint of endpoints) {
      const operation = operations.find(
        (each) => (each.operation as { operationId: string }).operationId === endpoint.id,
      );
      const responses = Object.keys((operation as { operation: { responses: object } }).operation.responses);
      const wanted = [endpoint.success.status, ...refusalsOf(endpoint).map((code) => errorTable[code].httpStatus)];
      expect(new Set(responses)).toEqual(new Set(wanted.map(String)));
    }
  });

  test("gives every operation an id of its own and describes every parameter of its path", () => {
    expect(new Set(endpoints.map((endpoint) => endpoint.id)).size).toBe(endpoints.length);
    for (const { path, params } of endpoints) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(Object.keys(params?.shape ?? {})).toEqual(named);
    }
  });
});

describe("the table of actions", () => {
  test("has an endpoint for every action, and lets each role do what the one before may", () => {
    expect(new Set(endpoints.map((endpoint) => endpoint.action))).toEqual(new Set(Object.keys(actionTable)));
    for (const action of Object.keys(actionTable) as (keyof typeof actionTable)[]) {
      const may = roles.filter((role) => role !== "platform").map((role) => mayDo(role, action));
      expect(may).toEqual([...may].sort((one, other) => Number(one) - Number(other)));
    }
  });
});

// The facade's Express application. It owns nothing: it authenticates, checks, asks the control tables, the store or
// Temporal, and answers. Endpoints are data (src/facade/endpoints.ts); src/facade/handle-request.ts is what happens to each.
import express, { type Express, type NextFunction, type Request, type Response } from "express";
import helmet from "helmet";
import { BackupError } from "../domain/errors.ts";
import type { FacadeDependencies } from "./dependencies.ts";
import { endpoints } from "./endpoints.ts";
import type { Endpoint } from "./endpoint.ts";
import { handleRequest } from "./handle-request.ts";
import { healthRoutes } from "./health.ts";
import { openApiDocument } from "./openapi.ts";
import { renderOpenApiPage } from "./openapi-page.ts";
import { asBackupError, sendProblem } from "./problem.ts";
import { refuseMethod } from "./refuse-method.ts";
import { requestIdOf } from "./request-context.ts";
import { traceRequest } from "./trace-request.ts";

export function createFacade(dependencies: FacadeDependencies): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag"); // ours are versions of policies, not hashes of answers
  app.set("query parser", "simple");
  app.set("case sensitive routing", true);
  app.set("strict routing", true);
  app.set("trust proxy", dependencies.trustedProxies);
  app.use(identify(dependencies), secure(), noStore);
  healthRoutes(app, dependencies.checks);
  const document = JSON.stringify(openApiDocument(endpoints));
  const page = renderOpenApiPage(endpoints);
  answerGet(app, "/openapi.json", "application/json", document);
  answerGet(app, "/docs", "text/html; charset=utf-8", page);
  for (const [path, group] of groupByPath(endpoints)) {
    const route = app.route(path);
    const { tracing } = dependencies;
    if (tracing !== null) route.all(traceRequest({ tracing, route: group[0]?.path ?? path }));
    for (const endpoint of group)
      route[endpoint.method]((request, response) => handleRequest(endpoint, dependencies, request, response));
    route.all(refuseMethod(group.map((endpoint) => endpoint.method.toUpperCase())));
  }
  app.use((_request: Request) => {
    throw new BackupError("RouteNotFound", "There is nothing at this address; /openapi.json lists what there is.");
  });
  app.use((thrown: unknown, request: Request, response: Response, _next: NextFunction) => {
    const error = asBackupError(thrown);
    const requestId = String(response.locals["requestId"]);
    if (error.code === "Internal")
      dependencies.log.error({ requestId, fault: (thrown as Error).constructor.name }, "request failed");
    if (response.headersSent) return void response.destroy();
    sendProblem(response, error, { instance: request.path, requestId });
  });
  return app;
}

const identify =
  ({ log }: FacadeDependencies) =>
  (request: Request, response: Response, next: NextFunction): void => {
    const startedMs = performance.now();
    const requestId = requestIdOf(request);
    response.locals["requestId"] = requestId;
    response.set("X-Request-Id", requestId);
    response.once("close", () => {
      const ms = Math.round(performance.now() - startedMs);
      log.info({ requestId, method: request.method, path: request.path, status: response.statusCode, ms }, "request");
    });
    next();
  };

function secure() {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", "data:"],
        connectSrc: ["'self'"],
        fontSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    referrerPolicy: { policy: "no-referrer" },
    xFrameOptions: { action: "deny" },
  });
}

function noStore(_request: Request, response: Response, next: NextFunction): void {
  response.set("Cache-Control", "no-store");
  next();
}

function answerGet(app: Express, path: string, type: string, text: string): void {
  const route = app.route(path);
  route.get((_request, response) => void response.set("Content-Type", type).end(text));
  route.all(refuseMethod(["GET"]));
}

/** Paths without parameters first: "/jobs/{jobId}" must not take "/jobs/summary". */
function groupByPath(all: readonly Endpoint[]): [string, Endpoint[]][] {
  const groups = new Map<string, Endpoint[]>();
  for (const endpoint of all) {
    const path = expressPath(endpoint.path);
    groups.set(path, [...(groups.get(path) ?? []), endpoint]);
  }
  return [...groups].sort(([one], [other]) => Number(one.includes(":")) - Number(other.includes(":")));
}

export const expressPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ":$1");

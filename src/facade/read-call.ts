// From a request whose caller is known to a call of its endpoint: is it well formed, and whose is it?
import express, { type Request, type Response } from "express";
import { z } from "zod";
import type { Binding } from "../control/bound-sessions.ts";
import type { Principal } from "../domain/authorization.ts";
import { BackupError } from "../domain/errors.ts";
import type { Caller } from "./authenticate-request.ts";
import type { FacadeDependencies } from "./dependencies.ts";
import type { Call, Endpoint } from "./endpoint.ts";
import { assertDepth, parseInput } from "./input.ts";
import { asBackupError, InputError } from "./problem.ts";
import { ifMatchHeader, lastEventIdHeader, optionalHeader } from "./request-headers.ts";

const noInput = z.strictObject({});

export function bindingOf(principal: Principal, organizationId: string | null): Binding {
  const { subject, role } = principal;
  return { organizationId, platform: role === "platform" && organizationId === null, actor: subject, role };
}

/** @throws UsageInvalid, MediaTypeUnsupported, OrganizationNotFound */
export function readCall(
  endpoint: Endpoint,
  dependencies: FacadeDependencies,
  request: Request,
  response: Response,
  { principal, credential }: Caller,
): Call<never, never, never> {
  const params = parseInput(endpoint.params ?? noInput, request.params, "path");
  const query = parseInput(endpoint.query ?? noInput, { ...request.query }, "query");
  const body = readBody(endpoint, request);
  const headers = {
    ifMatch: optionalHeader(request, "if-match", ifMatchHeader),
    lastEventId: optionalHeader(request, "last-event-id", lastEventIdHeader),
  };
  const organizationId = organizationOf(endpoint, principal, [params, query, body]);
  const binding = bindingOf(principal, organizationId);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  return {
    params: params as never,
    query: query as never,
    body: body as never,
    headers,
    principal,
    credential,
    organizationId,
    requestId: String(response.locals["requestId"]),
    dependencies,
    client: dependencies.client,
    run: (work) => dependencies.sessions.run(binding, work),
    signal: gone.signal,
  };
}

/** No request of ours comes near. */
const maxBodyBytes = 64 * 1024;
const parseJson = express.json({ limit: maxBodyBytes, type: "application/json" });

/** After the token was proven: a stranger's body is not looked at. @throws RequestTooLarge, UsageInvalid */
export function readJson(request: Request, response: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    parseJson(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(asBackupError(error))));
  });
}

function readBody(endpoint: Endpoint, request: Request): unknown {
  const hasBody = request.get("content-length") !== undefined && request.get("content-length") !== "0";
  const isChunked = request.get("transfer-encoding") !== undefined;
  if ((hasBody || isChunked) && request.is("application/json") === false)
    throw new BackupError("MediaTypeUnsupported", "Send the body as application/json.");
  assertDepth(request.body);
  return parseInput(endpoint.body ?? noInput, request.body ?? {}, "body");
}

/** The organization is the token's. A platform admin names it; anybody else who names another is told that it is not there. */
function organizationOf(endpoint: Endpoint, principal: Principal, inputs: readonly unknown[]): string | null {
  const named = inputs.flatMap((input) => {
    const value = (input as { organizationId?: unknown }).organizationId;
    return typeof value === "string" ? [value] : [];
  });
  if (new Set(named).size > 1)
    throw new InputError([{ field: "organizationId", message: "is given more than once, and differently" }]);
  const [first] = named;
  if (principal.role !== "platform") {
    if (first !== undefined && first !== principal.organizationId)
      throw new BackupError("OrganizationNotFound", "There is no such organization.");
    return principal.organizationId;
  }
  if (first === undefined && endpoint.scope === "organization")
    throw new InputError([
      { field: "query.organizationId", message: "must say which organization; the token names none" },
    ]);
  return first ?? null;
}

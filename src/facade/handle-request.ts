// What happens to every request of an endpoint, in this order:
//
//   who asks → may the role → is it well formed → whose is it → was it erased → (a change: idempotency → allowance → audit "allowed")
//   → handle → audit "done", "failed" or "refused" → answer
//
// A change that can't be audited beforehand is not made; an answer that can't be audited is not given.
import { createHash } from "node:crypto";
import express, { type Request, type Response } from "express";
import { z } from "zod";
import { appendAudit, type AuditRecord } from "../control/audit.ts";
import type { Binding } from "../control/bound-sessions.ts";
import { assertNotErased } from "../control/erasures.ts";
import { claimKey, keepAnswer, releaseKey, type KeyedRequest } from "../control/idempotency.ts";
import { mayDo, type Principal } from "../domain/authorization.ts";
import { BackupError } from "../domain/errors.ts";
import { authenticateRequest, type Caller } from "./authenticate-request.ts";
import type { FacadeDependencies } from "./dependencies.ts";
import { isRefusedWhenErased, isSafe, type Answer, type Call, type Endpoint } from "./endpoint.ts";
import { assertDepth, parseInput } from "./input.ts";
import { asBackupError, InputError, sendProblem } from "./problem.ts";
import { RateLimitedError, type Allowance } from "./rate-limits.ts";
import { hashAddress } from "./request-context.ts";
import { idempotencyKeyHeader, ifMatchHeader, lastEventIdHeader } from "./request-headers.ts";

const anonymous: Binding = { organizationId: null, platform: false, actor: "anonymous", role: "none" };
const noInput = z.strictObject({});

export async function handleRequest(
  endpoint: Endpoint,
  dependencies: FacadeDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const requestId = String(response.locals["requestId"]);
  const place = { instance: request.path, requestId };
  let binding = anonymous;
  const audit = (outcome: AuditRecord["outcome"], details: Readonly<Record<string, unknown>>): Promise<void> =>
    writeAudit(dependencies, binding, {
      action: endpoint.action,
      subject: `${request.method} ${request.path}`,
      outcome,
      ipHash: hashAddress(dependencies.ipHashSalt, request.ip),
      requestId,
      details: { operation: endpoint.id, ...details },
    });
  let started = false;
  try {
    const caller = await authenticateRequest(request, dependencies);
    binding = bindingOf(caller.principal, caller.principal.organizationId);
    if (!mayDo(caller.principal.role, endpoint.action))
      throw new BackupError("Forbidden", `The role ${caller.principal.role} may not do this (${endpoint.action}).`);
    await readJson(request, response);
    const call = readCall(endpoint, dependencies, request, response, caller);
    binding = bindingOf(caller.principal, call.organizationId);
    const stated = purposeOf(call);
    const { organizationId } = call;
    if (organizationId !== null && isRefusedWhenErased(endpoint))
      await call.run((bound) => assertNotErased(bound, organizationId));
    let answer: Answer;
    if (isSafe(endpoint.method)) {
      answer = await endpoint.handle(call);
    } else {
      answer = await once(endpoint, request, dependencies, binding, async () => {
        const allowance = await allowanceOf(endpoint, call);
        await audit("allowed", stated);
        started = true;
        return withAllowance(await endpoint.handle(call), allowance);
      });
    }
    await audit("done", { status: answer.status, ...stated });
    await send(response, answer);
  } catch (thrown) {
    const error = asBackupError(thrown);
    const outcome = started || error.kind.httpStatus >= 500 ? "failed" : "refused";
    if (error.code === "Internal")
      dependencies.log.error(
        { requestId, operation: endpoint.id, ...describeFault(error.cause ?? error) },
        "request failed",
      );
    let told = error;
    try {
      // Where nothing can be written because the control database is away, that is what the caller is told anyway.
      if (error.code !== "AuditUnavailable") await audit(outcome, { code: error.code });
    } catch (auditError) {
      told = error.code === "ControlDatabaseUnreachable" ? error : asBackupError(auditError);
    }
    if (response.headersSent) return void response.destroy();
    if (told instanceof RateLimitedError) {
      response.set(allowanceHeaders(told.allowance)).set("Retry-After", String(told.allowance.resetSeconds));
    } else if (told.kind.httpStatus === 503) response.set("Retry-After", "5");
    sendProblem(response, told, place);
  }
}

function bindingOf(principal: Principal, organizationId: string | null): Binding {
  const { subject, role } = principal;
  return { organizationId, platform: role === "platform" && organizationId === null, actor: subject, role };
}

/** @throws UsageInvalid, MediaTypeUnsupported, OrganizationNotFound */
function readCall(
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
function readJson(request: Request, response: Response): Promise<void> {
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

function optionalHeader(request: Request, name: string, schema: z.ZodType<string>): string | null {
  const value = request.get(name);
  return value === undefined ? null : parseInput(schema, value, `header.${name}`);
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

function purposeOf(call: Call<never, never, never>): Record<string, unknown> {
  const { purpose } = { ...(call.query as object), ...(call.body as object) } as { purpose?: string };
  return purpose === undefined ? {} : { purpose };
}

/** With an Idempotency-Key, the same request is worked on once, whatever happens to its answer on the way. */
async function once(
  endpoint: Endpoint,
  request: Request,
  { sessions }: FacadeDependencies,
  binding: Binding,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const key = optionalHeader(request, "idempotency-key", idempotencyKeyHeader);
  if (key === null) return await work();
  // A platform admin's requests over all organizations have none to belong to.
  const organizationId = binding.organizationId;
  if (organizationId === null) return await work();
  const content = JSON.stringify([request.method, request.path, request.query, request.body ?? null]);
  const requestHash = createHash("sha256").update(content).digest("hex");
  const keyed: KeyedRequest = { organizationId, actor: binding.actor, key, requestHash };
  const state = await sessions.run(binding, (bound) => claimKey(bound, keyed));
  switch (state.kind) {
    case "answered":
      return { ...state.answer, headers: { ...state.answer.headers, "Idempotency-Replayed": "true" } };
    case "other request":
      throw new BackupError(
        "IdempotencyKeyReused",
        "This Idempotency-Key was used for another request; use a new one.",
      );
    case "under way":
      throw new BackupError("IdempotencyKeyInUse", "The request with this Idempotency-Key is still being worked on.");
    case "new":
  }
  try {
    const { status, body = null, headers = {} } = await work();
    const kept = { status, body: endpoint.withoutSecrets?.(body) ?? body, headers };
    await sessions.run(binding, (bound) => keepAnswer(bound, keyed, kept));
    return { status, body, headers };
  } catch (error) {
    await sessions.run(binding, (bound) => releaseKey(bound, keyed)).catch(() => {}); // it is given up by its age then
    throw error;
  }
}

async function allowanceOf(endpoint: Endpoint, call: Call<never, never, never>): Promise<Allowance | null> {
  if (endpoint.limit === undefined || call.organizationId === null) return null;
  if (endpoint.isSpared?.(call.body) === true) return null;
  return await call.dependencies.limits.use(endpoint.limit, call.organizationId, call.principal.subject);
}

const allowanceHeaders = ({ limit, remaining, resetSeconds }: Allowance): Record<string, string> => ({
  "RateLimit-Limit": String(limit),
  "RateLimit-Remaining": String(remaining),
  "RateLimit-Reset": String(resetSeconds),
});

function withAllowance(answer: Answer, allowance: Allowance | null): Answer {
  return allowance === null ? answer : { ...answer, headers: { ...answer.headers, ...allowanceHeaders(allowance) } };
}

async function writeAudit({ sessions, log }: FacadeDependencies, binding: Binding, record: AuditRecord): Promise<void> {
  try {
    await sessions.run(binding, (bound) => appendAudit(bound, record));
  } catch (error) {
    log.error({ requestId: record.requestId, code: asBackupError(error).code }, "the audit log can't be written");
    throw new BackupError(
      "AuditUnavailable",
      "The audit log can't be written, so nothing is done; try again later.",
      {},
      { cause: error },
    );
  }
}

async function send(response: Response, { status, body, headers = {}, stream }: Answer): Promise<void> {
  response.status(status).set(headers);
  if (stream !== undefined) return await stream(response);
  if (body === undefined || body === null) return void response.end();
  if (typeof body === "string") return void response.end(body);
  response.set("Content-Type", "application/json").end(JSON.stringify(body));
}

/** Class and place of a fault without a name; not its words, which may quote data. */
function describeFault(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { fault: typeof error };
  const frames = (error.stack ?? "").split("\n").filter((line) => line.trimStart().startsWith("at "));
  return { fault: error.constructor.name, frames: frames.slice(0, 6).map((frame) => frame.trim()) };
}

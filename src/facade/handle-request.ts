// What happens to every request of an endpoint, in this order:
//
//   who asks → may the role → is it well formed → whose is it → was it erased
//   → (a change: idempotency → allowance → audit "allowed") → handle → audit "done", "failed" or "refused" → answer
//
// A change that can't be audited beforehand is not made; an answer that can't be audited is not given.
import type { Request, Response } from "express";
import { appendAudit, type AuditRecord } from "../control/audit.ts";
import type { Binding } from "../control/bound-sessions.ts";
import { assertNotErased } from "../control/erasures.ts";
import { mayDo } from "../domain/authorization.ts";
import { BackupError } from "../domain/errors.ts";
import { answerOnce } from "./answer-once.ts";
import { authenticateRequest } from "./authenticate-request.ts";
import type { FacadeDependencies } from "./dependencies.ts";
import { isRefusedWhenErased, isSafe, type Answer, type Call, type Endpoint } from "./endpoint.ts";
import { asBackupError, sendProblem } from "./problem.ts";
import { RateLimitedError, type Allowance } from "./rate-limits.ts";
import { bindingOf, readCall, readJson } from "./read-call.ts";
import { hashAddress } from "./request-context.ts";

const anonymous: Binding = { organizationId: null, platform: false, actor: "anonymous", role: "none" };

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
      answer = await answerOnce(endpoint, request, dependencies, binding, async () => {
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

function purposeOf(call: Call<never, never, never>): Record<string, unknown> {
  const { purpose } = { ...(call.query as object), ...(call.body as object) } as { purpose?: string };
  return purpose === undefined ? {} : { purpose };
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

// With an Idempotency-Key, the same request is worked on once, whatever happens to its answer on the way.
import type { Request } from "express";
import type { Binding } from "../control/bound-sessions.ts";
import { claimKey, keepAnswer, releaseKey, type KeyedRequest } from "../control/idempotency.ts";
import { sha256 } from "../crypto/sha256.ts";
import { BackupError } from "../domain/errors.ts";
import type { FacadeDependencies } from "./dependencies.ts";
import type { Answer, Endpoint } from "./endpoint.ts";
import { idempotencyKeyHeader, optionalHeader } from "./request-headers.ts";

export async function answerOnce(
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
  const requestHash = sha256(content);
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

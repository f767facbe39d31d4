// What goes wrong, as an RFC 9457 problem document. Faults of the caller are told in full; faults of ours by the error
// table's words alone, because our own messages name hosts, objects and variables that are nobody else's business.
import type { Response } from "express";
import { BackupError, errorTable, type ErrorCode } from "../domain/errors.ts";

/** One thing that is wrong with a request. */
export interface InputFault {
  /** "body.cron", "query.limit" */
  readonly field: string;
  readonly message: string;
}

/** A request that is not as the OpenAPI document says. */
export class InputError extends BackupError {
  readonly faults: readonly InputFault[];

  constructor(faults: readonly InputFault[]) {
    super("UsageInvalid", "The request is not well formed; `faults` says where.");
    this.faults = faults;
  }
}

/** A request that is as the document says, with a value that can't be meant. */
export class ValueError extends BackupError {
  readonly faults: readonly InputFault[];

  constructor(faults: readonly InputFault[]) {
    super("ValueInvalid", "The request is well formed, but a value in it can't be used; `faults` says which and why.");
    this.faults = faults;
  }
}

export const problemTypeOf = (code: ErrorCode): string => `urn:wedsync-backup:problem:${code}`;

export interface ProblemPlace {
  /** The request's path, without its query. */
  readonly instance: string;
  readonly requestId: string;
}

export function asBackupError(error: unknown): BackupError {
  if (error instanceof BackupError) return error;
  const { type, status } = error as { type?: string; status?: number };
  // What body-parser and the router throw.
  if (status === 413) return new BackupError("RequestTooLarge", "The request's body is too large.");
  if (status === 415) return new BackupError("MediaTypeUnsupported", "The request's body is in an unknown encoding.");
  if (type === "entity.parse.failed") return new BackupError("UsageInvalid", "The request's body is not JSON.");
  if (status === 400) return new BackupError("UsageInvalid", "The request is not well formed.");
  return new BackupError("Internal", "unexpected", {}, { cause: error });
}

export function problemOf(error: BackupError, { instance, requestId }: ProblemPlace) {
  const { httpStatus, meaning } = errorTable[error.code];
  return {
    type: problemTypeOf(error.code),
    title: meaning,
    status: httpStatus,
    detail: httpStatus >= 500 ? meaning : error.message,
    instance,
    code: error.code,
    requestId,
    ...(error instanceof InputError || error instanceof ValueError ? { faults: error.faults } : {}),
  };
}

export function sendProblem(response: Response, error: BackupError, place: ProblemPlace): void {
  const problem = problemOf(error, place);
  if (problem.status === 401) response.set("WWW-Authenticate", 'Bearer realm="wedsync-backup"');
  // res.send would add a charset, which a JSON type does not have.
  response.status(problem.status).set("Content-Type", "application/problem+json").end(JSON.stringify(problem));
}

// An endpoint as data: everything that the router, the OpenAPI document, the authorization matrix and the docs say about
// it is read from here, so that they can't differ.
import type { Client } from "@temporalio/client";
import type { Response } from "express";
import type { z } from "zod";
import type { Queryable } from "../control/control-database.ts";
import type { Action, Principal } from "../domain/authorization.ts";
import type { ErrorCode } from "../domain/errors.ts";
import type { FacadeDependencies } from "./dependencies.ts";
import type { LimitName } from "./rate-limits.ts";

export type Method = "get" | "post" | "put" | "delete";

type Schema = z.ZodObject;
type Input<T extends Schema | undefined> = T extends Schema ? z.output<T> : Readonly<Record<string, never>>;

/** The token that was shown, and how. */
export interface Credential {
  readonly token: string;
  readonly by: "header" | "cookie";
  readonly expiresAtMs: number;
  /** The request came by HTTPS, or a trusted proxy says so. */
  readonly secure: boolean;
}

export interface Call<P extends Schema | undefined, Q extends Schema | undefined, B extends Schema | undefined> {
  readonly params: Input<P>;
  readonly query: Input<Q>;
  readonly body: Input<B>;
  readonly headers: { readonly ifMatch: string | null; readonly lastEventId: string | null };
  readonly principal: Principal;
  readonly credential: Credential;
  /** Never null where the endpoint's `scope` is "organization". */
  readonly organizationId: string | null;
  readonly requestId: string;
  readonly dependencies: FacadeDependencies;
  readonly client: Client;
  /** One transaction on the control tables, bound to the organization. */
  run<T>(work: (bound: Queryable) => Promise<T>): Promise<T>;
  /** Aborted when the caller goes away. */
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of a body; ends when it resolves. */
  readonly stream?: (response: Response) => Promise<void>;
}

export interface Endpoint<
  P extends Schema | undefined = Schema | undefined,
  Q extends Schema | undefined = Schema | undefined,
  B extends Schema | undefined = Schema | undefined,
> {
  /** The OpenAPI operation's id, and the action's name in the audit log's details. */
  readonly id: string;
  readonly method: Method;
  /** "/api/admin/jobs/{jobId}" */
  readonly path: string;
  readonly action: Action;
  readonly summary: string;
  /** organization: a platform admin must name one. any: a platform admin may leave it out, and then sees all. */
  readonly scope: "organization" | "any";
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly limit?: LimitName;
  /** Requests that use nothing of the allowance. */
  readonly isSpared?: (body: Input<B>) => boolean;
  /** For an organization whose backups were erased; default: changes are refused, reads answered. */
  readonly whenErased?: "refused" | "answered";
  /** Takes If-Match. */
  readonly conditional?: boolean;
  readonly success: {
    readonly status: number;
    readonly description: string;
    readonly schema?: z.ZodType;
    readonly contentType?: string;
    readonly location?: boolean;
    readonly etag?: boolean;
  };
  /** What it can be refused with, beyond what any endpoint can. */
  readonly refusals?: readonly ErrorCode[];
  /** What is kept of the answer for a repeated request with the same Idempotency-Key. */
  readonly withoutSecrets?: (body: unknown) => unknown;
  /** What the audit log says it was done to; default: the path. */
  handle(call: Call<P, Q, B>): Promise<Answer>;
}

export function defineEndpoint<
  P extends Schema | undefined = undefined,
  Q extends Schema | undefined = undefined,
  B extends Schema | undefined = undefined,
>(endpoint: Endpoint<P, Q, B>): Endpoint {
  return endpoint;
}

export const isRefusedWhenErased = ({ method, whenErased }: Pick<Endpoint, "method" | "whenErased">): boolean =>
  (whenErased ?? (isSafe(method) ? "answered" : "refused")) === "refused";

export const isSafe = (method: Method): boolean => method === "get";

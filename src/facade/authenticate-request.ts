// From a request to who asks: by the Authorization header, or by the browser session's cookie.
import type { Request } from "express";
import type { Principal } from "../domain/authorization.ts";
import { BackupError } from "../domain/errors.ts";
import { assertSameSite, readCookie } from "./browser-session.ts";
import type { FacadeDependencies } from "./dependencies.ts";
import type { Credential } from "./endpoint.ts";

export interface Caller {
  readonly principal: Principal;
  readonly credential: Credential;
}

/** @throws Unauthenticated, Forbidden (a session's request without its CSRF token) */
export async function authenticateRequest(
  request: Request,
  { authenticate, signingKey }: Pick<FacadeDependencies, "authenticate" | "signingKey">,
): Promise<Caller> {
  const header = request.get("authorization");
  const token = header === undefined ? readCookie(request) : (/^Bearer ([\w.~+/=-]+)$/i.exec(header)?.[1] ?? null);
  if (token === null)
    throw new BackupError(
      "Unauthenticated",
      "Send a token: `Authorization: Bearer …`. Make one with: wedsync-backup token",
    );
  const by = header === undefined ? "cookie" : "header";
  const { principal, expiresAtMs } = await authenticate(token);
  if (by === "cookie") assertSameSite(request, token, signingKey);
  return { principal, credential: { token, by, expiresAtMs, secure: request.secure } };
}

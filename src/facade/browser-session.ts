// A browser's session: the token in a cookie that scripts can't read and other sites can't send. EventSource and links
// can't carry an Authorization header; a cookie they can. Because a browser sends it by itself, a request that changes
// something must also show the CSRF token, which only a page of ours was told.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Request } from "express";
import { BackupError } from "../domain/errors.ts";

export const cookieName = "wedsync_session";

export function readCookie(request: Request): string | null {
  for (const pair of (request.get("cookie") ?? "").split(";")) {
    const [name, value] = pair.trim().split("=", 2);
    if (name === cookieName && value !== undefined && value !== "") return value;
  }
  return null;
}

export function writeCookie(token: string, options: { maxAgeSeconds: number; secure: boolean }): string {
  const { maxAgeSeconds, secure } = options;
  return [
    `${cookieName}=${token}`,
    "Path=/",
    `Max-Age=${Math.max(0, Math.floor(maxAgeSeconds))}`,
    "HttpOnly",
    "SameSite=Strict",
    ...(secure ? ["Secure"] : []),
  ].join("; ");
}

export const csrfTokenOf = (signingKey: Buffer, token: string): string =>
  createHmac("sha256", signingKey).update("csrf\0").update(token).digest("base64url");

/** @throws Forbidden when a cookie came along with a request that no page of ours made. */
export function assertSameSite(request: Request, token: string, signingKey: Buffer): void {
  const site = request.get("sec-fetch-site");
  if (site !== undefined && site !== "same-origin" && site !== "none")
    throw new BackupError("Forbidden", "A browser session works from this site's own pages only.");
  if (request.method === "GET" || request.method === "HEAD") return;
  const shown = Buffer.from(request.get("x-csrf-token") ?? "");
  const expected = Buffer.from(csrfTokenOf(signingKey, token));
  if (shown.length !== expected.length || !timingSafeEqual(shown, expected))
    throw new BackupError(
      "Forbidden",
      "With a browser session, X-CSRF-Token must hold the csrfToken of GET /api/session.",
    );
}

// What every request carries before anything else is known of it: an id for people to quote, and the caller's address as a
// keyed hash.
import { createHmac, randomUUID } from "node:crypto";
import type { Request } from "express";

/** The caller's own id where it gave one of a harmless form. */
export function requestIdOf(request: Request): string {
  const given = request.get("x-request-id");
  return given !== undefined && /^[\w-]{8,64}$/.test(given) ? given : randomUUID();
}

export function hashAddress(salt: string, address: string | undefined): string | null {
  if (address === undefined) return null;
  return createHmac("sha256", salt).update(address).digest("hex");
}

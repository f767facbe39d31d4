// A download link's ticket: which object, of which organization, until when; signed, so that nobody makes one by hand.
// It goes with a token, it does not replace one: a link that leaks opens nothing.
import { createHmac, timingSafeEqual } from "node:crypto";

export interface DownloadTicket {
  readonly organizationId: string;
  readonly objectKey: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

const codeOf = (signingKey: Buffer, content: string): string =>
  createHmac("sha256", signingKey).update("download\0").update(content).digest("base64url");

export function signTicket(signingKey: Buffer, ticket: DownloadTicket): string {
  const content = Buffer.from(JSON.stringify(ticket)).toString("base64url");
  return `${content}.${codeOf(signingKey, content)}`;
}

/** Null when it is forged, stale or another organization's. */
export function readTicket(
  signingKey: Buffer,
  text: string,
  at: { readonly organizationId: string; readonly nowMs: number },
): DownloadTicket | null {
  const [content = "", code = ""] = text.split(".", 2);
  const [stated, expected] = [Buffer.from(code), Buffer.from(codeOf(signingKey, content))];
  if (stated.length !== expected.length || !timingSafeEqual(stated, expected)) return null;
  const ticket = JSON.parse(Buffer.from(content, "base64url").toString("utf8")) as DownloadTicket;
  return ticket.organizationId === at.organizationId && ticket.expiresAtMs > at.nowMs ? ticket : null;
}

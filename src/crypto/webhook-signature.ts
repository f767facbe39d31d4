// Signatures of webhooks, as https://www.standardwebhooks.com has them: any of its libraries can prove ours.
import { createHmac, randomBytes } from "node:crypto";

const prefix = "whsec_";

export const createWebhookSecret = (): string => prefix + randomBytes(32).toString("base64");

/** `timestamp`: seconds since 1970, part of what is signed: a receiver refuses what is older than five minutes. */
export function signWebhook(secret: string, { id, timestamp, body }: { id: string; timestamp: number; body: string }) {
  const key = Buffer.from(secret.slice(prefix.length), "base64");
  return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
}

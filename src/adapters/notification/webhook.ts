// One POST of one notification. No redirect is followed (it would lead past the judged address), no proxy is used, no
// connection is kept; of the answer only the status counts, and no more than a little is read, so a receiver can neither
// hold us nor fill us.
import { once } from "node:events";
import { request as requestHttp, type IncomingMessage, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { signWebhook } from "../../crypto/webhook-signature.ts";
import { BackupError } from "../../domain/errors.ts";
import { renderPayload, type ChannelTarget, type Notification } from "../../domain/notification.ts";
import { readWebhookUrl } from "../../domain/notification-target.ts";
import { resolveTarget, type Resolve, type ResolvedAddress } from "./target-address.ts";

export interface WebhookOptions {
  readonly allowedHosts: readonly string[];
  readonly resolve?: Resolve;
  /** For name, connection and answer together. */
  readonly timeoutMs?: number;
}

const mostAnswerBytes = 64 * 1024;

export async function sendWebhook(
  target: Extract<ChannelTarget, { kind: "webhook" }>,
  notification: Notification,
  { timeoutMs = 10_000, ...options }: WebhookOptions,
  signal: AbortSignal,
): Promise<void> {
  const url = readWebhookUrl(target.url, options.allowedHosts);
  const timeout = AbortSignal.timeout(timeoutMs);
  const body = renderPayload(notification);
  const timestamp = Math.floor(Date.now() / 1000);
  const secrets = [target.secret, ...(target.oldSecret === undefined ? [] : [target.oldSecret])];
  try {
    const address = await beforeAbort(resolveTarget(url, options), timeout);
    const status = await post(url, address, {
      body,
      headers: {
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(body)),
        "user-agent": "wedsync-backup",
        "webhook-id": notification.id,
        "webhook-timestamp": String(timestamp),
        "webhook-signature": secrets
          .map((secret) => signWebhook(secret, { id: notification.id, timestamp, body }))
          .join(" "),
      },
      signal: AbortSignal.any([signal, timeout]),
    });
    assertTaken(status);
  } catch (error) {
    if (error instanceof BackupError || signal.aborted) throw error;
    throw undelivered(
      timeout.aborted
        ? `The webhook's host did not answer within ${timeoutMs / 1000} s.`
        : `The webhook's host can't be reached (${(error as NodeJS.ErrnoException).code ?? "connection failed"}).`,
      error,
    );
  }
}

async function post(
  url: URL,
  { address, family }: ResolvedAddress,
  { body, headers, signal }: { body: string; headers: Record<string, string>; signal: AbortSignal },
): Promise<number> {
  const pinned: LookupFunction = (_hostname, options, answer) =>
    options.all === true ? answer(null, [{ address, family }]) : answer(null, address, family);
  const options: RequestOptions = { method: "POST", headers, signal, lookup: pinned, agent: false };
  const sent = url.protocol === "https:" ? requestHttps(url, options) : requestHttp(url, options);
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  sent.on("error", () => {}); // the status has come: what the connection does afterwards changes nothing
  await drain(response);
  return response.statusCode ?? 0;
}

/** Most receivers would log a fault if their few words were not read. */
async function drain(response: IncomingMessage): Promise<void> {
  let read = 0;
  try {
    for await (const chunk of response) {
      read += (chunk as Buffer).length;
      if (read > mostAnswerBytes) break;
    }
  } catch {
    // Its status was whole.
  } finally {
    response.destroy();
  }
}

function assertTaken(status: number): void {
  if (status >= 200 && status < 300) return;
  if (status === 410) throw new BackupError("NotificationRefused", "The receiver says that the webhook is gone (410).");
  if (status >= 300 && status < 400)
    throw undelivered(`The receiver redirects (${status}), which is not followed. Give the final URL.`);
  throw undelivered(`The receiver answered ${status}.`);
}

const undelivered = (message: string, cause?: unknown): BackupError =>
  new BackupError("NotificationUndelivered", message, {}, { cause });

async function beforeAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return await Promise.race([
    work,
    new Promise<never>((_resolve, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }),
    ),
  ]);
}

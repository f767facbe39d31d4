// A real HTTP server that receives webhooks, in the manner that a test asks for.
import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly path: string;
}

export type Answer = (response: ServerResponse, received: Received, count: number) => void;

export interface WebhookReceiver {
  readonly host: string;
  readonly url: string;
  readonly received: Received[];
  answer: Answer;
  close(): Promise<void>;
}

export const takes: Answer = (response) => void response.writeHead(200).end("ok");

export async function startWebhookReceiver(answer: Answer = takes): Promise<WebhookReceiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("error", () => {}); // the sender may give up
    response.on("error", () => {});
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const one = { headers: request.headers, body: Buffer.concat(chunks).toString(), path: request.url ?? "" };
      received.push(one);
      receiver.answer(response, one, received.length);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const receiver: WebhookReceiver = {
    host,
    url: `http://${host}/hook?key=a-secret-in-the-url`,
    received,
    answer,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return receiver;
}

/** As the README tells receivers to: the signature over id, time and body; then the time; the id is theirs to remember. */
export function isGenuine({ headers, body }: Received, secret: string, nowSeconds = Date.now() / 1000): boolean {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature } = headers;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key)
    .update(`${String(id)}.${String(timestamp)}.${body}`)
    .digest();
  const isSigned = String(signature)
    .split(" ")
    .some((each) => {
      const shown = Buffer.from(each.replace(/^v1,/, ""), "base64");
      return shown.length === expected.length && timingSafeEqual(shown, expected);
    });
  return isSigned && Math.abs(nowSeconds - Number(timestamp)) <= 300;
}

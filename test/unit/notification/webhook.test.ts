// One attempt of a webhook, against real receivers of every kind.
import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { sendWebhook } from "../../../src/adapters/notification/webhook.ts";
import { createWebhookSecret, signWebhook } from "../../../src/crypto/webhook-signature.ts";
import type { Notification } from "../../../src/domain/notification.ts";
import { isGenuine, startWebhookReceiver, type Answer, type WebhookReceiver } from "../../support/webhook-receiver.ts";

const notification: Notification = {
  id: "5b0f7e0e-3f0a-4b0e-9d52-0f5f5f1b2a01",
  event: "backup.failed",
  organizationId: "org-1",
  channelName: "ops",
  occurredAt: "2026-11-24T02:00:00Z",
  subjectId: "7f6f1c1e-6f0a-4b0e-9d52-0f5f5f1b2a01",
  facts: { errorCode: "StorageUnreachable", seconds: 1.5 },
};
const secret = createWebhookSecret();
const goOn = new AbortController().signal;
let receiver: WebhookReceiver | null = null;

afterEach(async () => {
  await receiver?.close();
  receiver = null;
});

async function send(answer?: Answer, timeoutMs = 20_000): Promise<void> {
  receiver = await startWebhookReceiver(answer);
  const options = { allowedHosts: [receiver.host], timeoutMs };
  await sendWebhook({ kind: "webhook", url: receiver.url, secret }, notification, options, goOn);
}

test("signs as Standard Webhooks does: its document's own example", () => {
  const message = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1614265330, body: '{"test": 2432232314}' };
  expect(signWebhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", message)).toBe(
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  );
});

test("is received whole and signed; a changed body, another key and an old one are not genuine", async () => {
  await send();
  const [received] = receiver?.received ?? [];
  if (received === undefined) throw new Error("nothing was received");
  expect(JSON.parse(received.body)).toEqual({
    type: "backup.failed",
    timestamp: notification.occurredAt,
    data: {
      id: notification.id,
      organizationId: "org-1",
      subjectId: notification.subjectId,
      errorCode: "StorageUnreachable",
      seconds: 1.5,
    },
  });
  expect(received.headers["webhook-id"]).toBe(notification.id);
  expect(isGenuine(received, secret)).toBe(true);
  expect(isGenuine({ ...received, body: received.body.replace("org-1", "org-2") }, secret)).toBe(false);
  expect(isGenuine(received, createWebhookSecret())).toBe(false);
  expect(isGenuine(received, secret, Date.now() / 1000 + 600)).toBe(false);
});

describe("a receiver", () => {
  test.each([400, 404, 429, 500, 503])("that answers %d is tried again", async (status) => {
    await expect(
      send((response) => void response.writeHead(status).end("a secret of the receiver")),
    ).rejects.toMatchObject({
      code: "NotificationUndelivered",
      message: `The receiver answered ${status}.`,
    });
  });

  test("that is gone is told nothing more", async () => {
    await expect(send((response) => void response.writeHead(410).end())).rejects.toMatchObject({
      code: "NotificationRefused",
    });
  });

  test.each([301, 302, 303, 307, 308])("that redirects (%d) is not followed", async (status) => {
    const trap = await startWebhookReceiver();
    try {
      await expect(
        send((response) => void response.writeHead(status, { Location: trap.url }).end()),
      ).rejects.toMatchObject({ code: "NotificationUndelivered", message: expect.stringContaining("redirects") });
      expect(trap.received).toEqual([]);
    } finally {
      await trap.close();
    }
  });

  test("that never answers is given up in time", async () => {
    await expect(send(() => {}, 300)).rejects.toMatchObject({
      code: "NotificationUndelivered",
      message: "The webhook's host did not answer within 0.3 s.",
    });
  });

  test("that sends its headers byte by byte, without end, is given up in time", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write("HTTP/1.1 200 OK\r\nX: ");
      const dripping = setInterval(() => socket.write("x"), 20);
      socket.on("close", () => clearInterval(dripping));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const options = { allowedHosts: [host], timeoutMs: 500 };
    try {
      await expect(
        sendWebhook({ kind: "webhook", url: `http://${host}/`, secret }, notification, options, goOn),
      ).rejects.toMatchObject({ code: "NotificationUndelivered" });
    } finally {
      server.close();
    }
  });

  test("that answers with a gigabyte is believed by its status, and its bytes are left", async () => {
    const chunk = Buffer.alloc(1024 * 1024, "x");
    let sentBytes = 0;
    await send((response) => {
      response.writeHead(200);
      const more = (): void => {
        while (sentBytes < 1024 ** 3 && !response.destroyed) {
          sentBytes += chunk.length;
          if (!response.write(chunk)) return void response.once("drain", more);
        }
        response.end();
      };
      more();
    });
    expect(sentBytes).toBeLessThan(64 * 1024 * 1024);
  });

  test("that closes the connection, or is not there, is tried again", async () => {
    await expect(send((response) => void response.destroy())).rejects.toMatchObject({
      code: "NotificationUndelivered",
    });
    const options = { allowedHosts: ["127.0.0.1:1"] };
    await expect(
      sendWebhook({ kind: "webhook", url: "http://127.0.0.1:1/", secret }, notification, options, goOn),
    ).rejects.toMatchObject({ code: "NotificationUndelivered", message: expect.stringContaining("ECONNREFUSED") });
  });
});

test("a name that leads home is not called at all", async () => {
  receiver = await startWebhookReceiver();
  const resolve = async () => [{ address: "127.0.0.1", family: 4 }];
  const url = `https://rebound.example.org:${receiver.host.split(":")[1]}/`;
  await expect(
    sendWebhook({ kind: "webhook", url, secret }, notification, { allowedHosts: [], resolve }, goOn),
  ).rejects.toMatchObject({ code: "NotificationTargetRefused" });
  expect(receiver.received).toEqual([]);
});

test("the connection goes to the address that was judged, whatever the name says now", async () => {
  receiver = await startWebhookReceiver();
  const port = receiver.host.split(":")[1];
  const host = `no-such-name.invalid:${port}`;
  const resolve = async () => [{ address: "127.0.0.1", family: 4 }];
  await sendWebhook(
    { kind: "webhook", url: `http://${host}/`, secret },
    notification,
    { allowedHosts: [host], resolve },
    goOn,
  );
  expect(receiver.received[0]?.headers.host).toBe(host);
});

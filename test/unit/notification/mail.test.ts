// Mail: the words, and what a real SMTP server gets.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { createMailer } from "../../../src/adapters/notification/mail.ts";
import { oneLine, renderMail } from "../../../src/adapters/notification/mail-text.ts";
import type { Notification } from "../../../src/domain/notification.ts";
import { readRecipients, showTarget } from "../../../src/domain/notification-target.ts";

const notification: Notification = {
  id: "5b0f7e0e-3f0a-4b0e-9d52-0f5f5f1b2a01",
  event: "verification.failed",
  organizationId: "org-1",
  channelName: "ops",
  occurredAt: "2026-11-24T02:00:00Z",
  subjectId: "7f6f1c1e-6f0a-4b0e-9d52-0f5f5f1b2a01",
  facts: { level: "content", problems: 3, sequence: 12 },
};

describe("the words", () => {
  test("say what happened, as text and as HTML", () => {
    const { subject, text, html } = renderMail(notification);
    expect(subject).toBe("[backup] A stored backup could not be proven: org-1");
    for (const each of [text, html])
      for (const word of ["org-1", "content", "12", "Problems"]) expect(each).toContain(word);
  });

  test("a code is told with its meaning, and nothing of the message that came with it", () => {
    const { text } = renderMail({ ...notification, event: "backup.failed", facts: { errorCode: "StorageFull" } });
    expect(text).toContain("StorageFull: The object store has no room left.");
  });

  test("whatever an organization or a channel is called, the HTML stays ours and the subject one line", () => {
    const nasty = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        '<script>alert("1")</script>',
        "a\r\nBcc: evil@example.org",
        "</td><img src=x onerror='x'>",
        "a\u2028b\u202ec",
      ),
    );
    const tags = (html: string): string[] => html.match(/<[^>]*>/g) ?? [];
    const ours = tags(renderMail(notification).html);
    fc.assert(
      fc.property(nasty, nasty, (organizationId, channelName) => {
        const { subject, html, text } = renderMail({ ...notification, organizationId, channelName });
        expect(tags(html)).toEqual(ours);
        expect(subject).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        expect(text.split("\n")).toHaveLength(renderMail(notification).text.split("\n").length);
        expect(oneLine(subject)).toBe(subject);
      }),
    );
  });
});

test.each([
  [],
  ["ops@example.org\r\nRCPT TO:<evil@example.org>"],
  ["ops@example.org\nBcc: evil@example.org"],
  ["Ops <ops@example.org>"],
  ["ops@example.org, evil@example.org"],
  ["ops"],
  ["@example.org"],
  ["ops@exam ple.org"],
  ["ops@[127.0.0.1]"],
  ["öps@example.org"],
  [`${"x".repeat(65)}@example.org`],
  Array.from({ length: 11 }, (_, index) => `ops${index}@example.org`),
])("%j are no recipients", (...addresses: string[]) => {
  expect(() => readRecipients(addresses)).toThrow(expect.objectContaining({ code: "NotificationChannelInvalid" }));
});

test("a target is shown without its path, its secret and the names of people", () => {
  expect(showTarget({ kind: "webhook", url: "https://hooks.example.org/T0/B0/secret", secret: "whsec_x" })).toBe(
    "https://hooks.example.org/…",
  );
  expect(showTarget({ kind: "email", to: ["zoe.miller@example.org"] })).toBe("z…@example.org");
});

describe("a mail server", () => {
  let server: SMTPServer | null = null;
  const mails: { from: string; to: string[]; data: string }[] = [];

  afterEach(async () => {
    mails.length = 0;
    await new Promise<void>((resolve) => (server === null ? resolve() : server.close(() => resolve())));
    server = null;
  });

  async function listen(options: SMTPServerOptions = {}, host = "127.0.0.1"): Promise<string> {
    server = new SMTPServer({
      disabledCommands: ["AUTH", "STARTTLS"],
      logger: false,
      onData(stream, session, done) {
        let data = "";
        stream.on("data", (chunk: Buffer) => (data += chunk.toString()));
        stream.on("end", () => {
          const { mailFrom, rcptTo } = session.envelope;
          mails.push({
            from: mailFrom === false ? "" : (mailFrom?.address ?? ""),
            to: rcptTo.map((each) => each.address),
            data,
          });
          done();
        });
      },
      ...options,
    });
    server.on("error", () => {}); // a client may go away
    server.listen(0, host);
    if (!server.server.listening) await once(server.server, "listening");
    return `${host}:${(server.server.address() as AddressInfo).port}`;
  }

  async function send(smtpUrl: string, to: readonly string[] = ["ops@example.org"], timeoutMs = 5_000): Promise<void> {
    const mailer = createMailer({ smtpUrl, from: "backup@example.org", timeoutMs });
    try {
      await mailer.send({ kind: "email", to }, notification);
    } finally {
      mailer.close();
    }
  }

  test("gets one mail in two forms, with an id that is the same for every attempt", async () => {
    const url = `smtp://${await listen()}`;
    await send(url, ["ops@example.org", "owner@example.org"]);
    await send(url, ["ops@example.org", "owner@example.org"]);
    expect(mails.map(({ from, to }) => ({ from, to }))).toEqual(
      Array.from({ length: 2 }, () => ({ from: "backup@example.org", to: ["ops@example.org", "owner@example.org"] })),
    );
    for (const { data } of mails) {
      expect(data).toContain(`Message-ID: <${notification.id}@wedsync-backup>`);
      expect(data).toContain("Subject: [backup] A stored backup could not be proven: org-1");
      expect(data).toContain("Content-Type: text/plain");
      expect(data).toContain("Content-Type: text/html");
      expect(data).toContain("Auto-Submitted: auto-generated");
    }
  });

  test("with a login gets the one of the URL", async () => {
    const logins: unknown[] = [];
    const host = await listen({
      disabledCommands: ["STARTTLS"],
      allowInsecureAuth: true,
      onAuth({ username, password }, _session, done) {
        logins.push([username, password]);
        done(null, { user: username });
      },
    });
    await send(`smtp://us%40er:pa%2Fss@${host}`);
    expect(logins).toEqual([["us@er", "pa/ss"]]);
  });

  test.each([
    [550, "NotificationRefused"],
    [451, "NotificationUndelivered"],
  ])("that answers %d: %s, without its words", async (responseCode, code) => {
    const host = await listen({
      onRcptTo: (_address, _session, done) =>
        done(Object.assign(new Error("no ops@example.org here"), { responseCode })),
    });
    await expect(send(`smtp://${host}`)).rejects.toMatchObject({
      code,
      message: `The mail server answered ${responseCode}.`,
    });
  });

  test("that never greets, and one that is not there, are tried again", async () => {
    const host = await listen({ onConnect: () => {} });
    await expect(send(`smtp://${host}`, ["ops@example.org"], 300)).rejects.toMatchObject({
      code: "NotificationUndelivered",
    });
    await expect(send("smtp://127.0.0.1:1")).rejects.toMatchObject({ code: "NotificationUndelivered" });
  });

  test("elsewhere that does not offer TLS gets nothing", async () => {
    // Of this machine, but by an address that is not known to be so.
    const host = await listen({}, "127.0.0.2");
    await expect(send(`smtp://${host}`)).rejects.toMatchObject({ message: expect.stringContaining("STARTTLS") });
    expect(mails).toEqual([]);
  });
});

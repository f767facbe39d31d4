// E-mail through the operator's SMTP server. Recipients were checked when the channel was made, and are checked again here:
// what ends up in an SMTP command must never hold a line end.
import { createTransport, type Transporter } from "nodemailer";
import { BackupError } from "../../domain/errors.ts";
import type { ChannelTarget, Notification } from "../../domain/notification.ts";
import { readRecipients } from "../../domain/notification-target.ts";
import { renderMail } from "./mail-text.ts";

export interface MailOptions {
  readonly smtpUrl: string;
  readonly from: string;
  readonly timeoutMs?: number;
}

export interface Mailer {
  send(target: Extract<ChannelTarget, { kind: "email" }>, notification: Notification): Promise<void>;
  close(): void;
}

export function createMailer({ smtpUrl, from, timeoutMs = 20_000 }: MailOptions): Mailer {
  const url = new URL(smtpUrl);
  const secure = url.protocol === "smtps:";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const isLocal = ["localhost", "127.0.0.1", "::1"].includes(host);
  const transport: Transporter = createTransport({
    host,
    port: url.port === "" ? (secure ? 465 : 587) : Number(url.port),
    secure,
    // A server elsewhere must offer STARTTLS: neither the login nor the words travel in the clear.
    requireTLS: !secure && !isLocal,
    ignoreTLS: !secure && isLocal,
    ...(url.username === ""
      ? {}
      : { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send({ to }, notification) {
      const { subject, text, html } = renderMail(notification);
      const recipients = [...readRecipients(to)];
      try {
        await transport.sendMail({
          from,
          to: recipients,
          subject,
          text,
          html,
          // The same for every attempt: a mail server may tell a repetition.
          messageId: `<${notification.id}@wedsync-backup>`,
          headers: { "Auto-Submitted": "auto-generated" },
        });
      } catch (error) {
        throw asBackupError(error);
      }
    },
    close: () => transport.close(),
  };
}

/** The server's words may repeat an address: only its code is told. */
function asBackupError(error: unknown): BackupError {
  const { responseCode, code } = error as { responseCode?: number; code?: string };
  if (code === "ETLS")
    return new BackupError(
      "NotificationRefused",
      "The mail server offers no TLS (STARTTLS or smtps://), or its certificate does not hold.",
    );
  const isFinal = responseCode !== undefined && responseCode >= 500 && code !== "EAUTH";
  return new BackupError(
    isFinal ? "NotificationRefused" : "NotificationUndelivered",
    responseCode === undefined
      ? `The mail server can't be reached (${code ?? "connection failed"}).`
      : `The mail server answered ${responseCode}.`,
    {},
    { cause: error },
  );
}

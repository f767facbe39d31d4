// The two ways out of the house, chosen by the channel's kind.
import { BackupError } from "../../domain/errors.ts";
import type { NotificationSender } from "../../ports/notifications.ts";
import type { MailOptions } from "./mail.ts";
import { sendWebhook, type WebhookOptions } from "./webhook.ts";

export interface NotificationSenderOptions {
  readonly webhook: WebhookOptions;
  /** Null: no mail server is configured. */
  readonly mail: MailOptions | null;
}

export function createNotificationSender({ webhook, mail }: NotificationSenderOptions): NotificationSender {
  // Imported only where there is a mail server: the library is large.
  const mailer = mail === null ? null : import("./mail.ts").then(({ createMailer }) => createMailer(mail));
  mailer?.catch(() => {}); // whoever sends learns of it
  return {
    async send(target, notification, signal) {
      if (target.kind === "webhook") return await sendWebhook(target, notification, webhook, signal);
      if (mailer === null)
        throw new BackupError(
          "NotificationRefused",
          "No mail server is configured: the operator must set BACKUP_SMTP_URL and BACKUP_SMTP_FROM for the workers.",
        );
      await (await mailer).send(target, notification);
    },
    async close() {
      (await mailer)?.close();
    },
  };
}

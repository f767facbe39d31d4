// A notification as an e-mail: the same words as text and as HTML. Whatever is put into the HTML is escaped, and into the
// subject put on one line: an organization's id and a channel's name may hold anything.
import { escapeHtml } from "../../domain/escape-html.ts";
import { describeNotification, type Notification } from "../../domain/notification.ts";

export interface MailText {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | Html | readonly Html[];

function html(literals: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const render = (part: Part): string =>
    typeof part === "string"
      ? escapeHtml(part)
      : part instanceof Html
        ? part.text
        : part.map(({ text }) => text).join("");
  return new Html(literals.reduce((text, literal, index) => text + render(parts[index - 1] ?? "") + literal));
}

/** Control characters, line ends and marks that make a line read as something else. */
export const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim();

export function renderMail(notification: Notification): MailText {
  const { title, lines } = describeNotification(notification);
  const shown = lines.map(([label, value]) => [label, oneLine(value)] as const);
  const rows = shown.map(
    ([label, value]) =>
      html`<tr>
        <th align="left">${label}</th>
        <td>${value}</td>
      </tr>`,
  );
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>${title}</title>
      </head>
      <body>
        <h1>${title}</h1>
        <table cellpadding="4">
          ${rows}
        </table>
        <p>Sent by wedsync-backup.</p>
      </body>
    </html>`;
  return {
    subject: oneLine(`[backup] ${title}: ${notification.organizationId}`).slice(0, 200),
    text: `${title}\n\n${shown.map(([label, value]) => `${label}: ${value}`).join("\n")}\n\nSent by wedsync-backup.\n`,
    html: page.text,
  };
}

// The form of a channel's target, and what of it may be shown. Whether a URL's address may be called at all is decided when
// it is called (src/adapters/notification/target-address.ts): a name can lead elsewhere by then.
import { BackupError } from "./errors.ts";
import type { ChannelTarget } from "./notification.ts";

const mostUrlLength = 2_000;
const mostRecipients = 10;

/** `allowedHosts`: "name" or "name:port", for which http and private addresses are allowed. @throws NotificationChannelInvalid */
export function readWebhookUrl(text: string, allowedHosts: readonly string[]): URL {
  // The URL parser drops tabs and line ends; here they are a fault.
  if (text.length > mostUrlLength || /[\s\p{Cc}\\]/u.test(text) || !URL.canParse(text))
    throw invalid("The webhook needs a URL like https://example.org/hook.");
  const url = new URL(text);
  if (url.username !== "" || url.password !== "" || url.hash !== "")
    throw invalid("The webhook's URL must hold neither a login nor a fragment.");
  const isAllowed = isAllowedHost(url, allowedHosts);
  if (url.protocol !== "https:" && !(isAllowed && url.protocol === "http:"))
    throw invalid(
      "The webhook's URL must start with https://. An operator can allow a local host by BACKUP_NOTIFY_HOSTS.",
    );
  return url;
}

export const isAllowedHost = (url: URL, allowedHosts: readonly string[]): boolean =>
  allowedHosts.includes(url.hostname) || allowedHosts.includes(url.host);

/** @throws NotificationChannelInvalid */
export function readRecipients(addresses: readonly string[]): readonly string[] {
  // ASCII, and none of the characters that a header or an SMTP command could be ended with.
  const isAddress = (text: string): boolean =>
    text.length <= 254 && /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(text);
  if (addresses.length === 0 || addresses.length > mostRecipients || !addresses.every(isAddress))
    throw invalid(`An e-mail channel needs 1 to ${mostRecipients} plain addresses like name@example.org.`);
  return addresses;
}

/** For lists and logs: no path (it may be a secret), no whole address (it is personal). */
export function showTarget(target: ChannelTarget): string {
  if (target.kind === "webhook") return `${new URL(target.url).origin}/…`;
  return target.to.map((address) => `${address.slice(0, 1)}…${address.slice(address.lastIndexOf("@"))}`).join(", ");
}

const invalid = (message: string): BackupError => new BackupError("NotificationChannelInvalid", message);

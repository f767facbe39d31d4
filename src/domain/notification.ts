// What is told to whom: the events, and a notification's words. It leaves the house, so it carries ids, counts and codes
// alone: no organization's name, no table, no path, no message of an error.
import { errorTable, isErrorCode } from "./errors.ts";

/** What a channel can ask for, and what it means. */
export const notificationEvents = {
  "backup.completed": "A backup was made and proven",
  "backup.incomplete": "A backup was made, but files that rows name were missing",
  "backup.failed": "A backup failed",
  "backup.overdue": "A backup is overdue",
  "verification.failed": "A stored backup could not be proven",
  "restore.completed": "A restore was applied",
  "restore.failed": "A restore failed",
  "restore.rolled_back": "A restore was rolled back",
} as const;

export type NotificationEvent = keyof typeof notificationEvents;
/** `test`: somebody asked whether the channel works. */
export type NotifiedEvent = NotificationEvent | "test";

export const notificationEventNames = Object.keys(notificationEvents) as NotificationEvent[];

/** Good news of every night is for those who ask for it. */
export const defaultNotificationEvents = notificationEventNames.filter((event) => event !== "backup.completed");

/** What travels through workflow history. */
export interface NotifyOrder {
  readonly deliveryId: string;
  readonly organizationId: string;
  readonly channelId: string;
  readonly event: NotifiedEvent;
}

export type NotificationFacts = Readonly<Record<string, string | number>>;

export interface Notification {
  /** The delivery's id: the same for every attempt, so that a receiver can tell a repetition. */
  readonly id: string;
  readonly event: NotifiedEvent;
  readonly organizationId: string;
  readonly channelName: string;
  readonly occurredAt: string;
  /** Id of the job, verification's backup, restore, policy or channel that it is about. */
  readonly subjectId: string;
  readonly facts: NotificationFacts;
}

/** After a change of a webhook's secret, for so long the old one signs, too. */
export const defaultOverlapHours = 24;
export const mostOverlapHours = 30 * 24;

/** Where a channel leads; `oldSecret` still signs, so that receivers can change over. Secret; only ever sealed at rest, and never in history. */
export type ChannelTarget =
  | { readonly kind: "webhook"; readonly url: string; readonly secret: string; readonly oldSecret?: string }
  | { readonly kind: "email"; readonly to: readonly string[] };

export const notifyWorkflowId = ({ organizationId, deliveryId }: Pick<NotifyOrder, "organizationId" | "deliveryId">) =>
  `notify/${organizationId}/${deliveryId}`;

/** A webhook's body. */
export function renderPayload({ id, event, organizationId, occurredAt, subjectId, facts }: Notification): string {
  return JSON.stringify({ type: event, timestamp: occurredAt, data: { id, organizationId, subjectId, ...facts } });
}

export interface NotificationWords {
  readonly title: string;
  /** Label and value. */
  readonly lines: readonly (readonly [string, string])[];
}

const labels: Readonly<Record<string, string>> = {
  sequence: "Backup number",
  trigger: "Asked for by",
  policyId: "Policy",
  rows: "Rows",
  storedBytes: "Bytes added to the store",
  files: "Files",
  missingFiles: "Missing files",
  seconds: "Seconds",
  level: "Level of proof",
  objects: "Objects looked at",
  problems: "Problems",
  status: "State",
  overdueSince: "Overdue since",
  lastGoodAt: "Last good backup",
};

export function describeNotification(notification: Notification): NotificationWords {
  const { id, event, organizationId, channelName, occurredAt, subjectId, facts } = notification;
  const { errorCode, ...rest } = facts;
  return {
    title: event === "test" ? "This channel works" : notificationEvents[event],
    lines: [
      ["Organization", organizationId],
      ["When", occurredAt],
      ["Id", subjectId],
      ...(isErrorCode(errorCode) ? [["Reason", `${errorCode}: ${errorTable[errorCode].meaning}`] as const] : []),
      ...Object.entries(rest).map(([name, value]) => [labels[name] ?? name, String(value)] as const),
      ["Channel", channelName],
      ["Notification", id],
    ],
  };
}

// wedsync-backup notify: who is told what becomes of backups, verifications and restores.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { changeSecret } from "../control/notification-secrets.ts";
import {
  createChannel,
  listChannels,
  listDeliveries,
  removeChannel,
  testAnyChannel,
  type Delivery,
} from "../control/notifications.ts";
import { createWebhookSecret } from "../crypto/webhook-signature.ts";
import {
  defaultNotificationEvents,
  defaultOverlapHours,
  mostOverlapHours,
  notificationEventNames,
  type ChannelTarget,
  type NotificationEvent,
} from "../domain/notification.ts";
import { readRecipients, readWebhookUrl, showTarget } from "../domain/notification-target.ts";
import { BackupError } from "../domain/errors.ts";
import { isInSource } from "./is-in-source.ts";
import { bringWorker } from "./open-worker.ts";
import { table, usage } from "./output.ts";
import { sealChannelSecret, sealChannelTarget } from "./sealed-targets.ts";
import type { Session } from "./session.ts";

export interface AddChannelOptions {
  readonly organization: string;
  readonly name: string;
  readonly webhook?: string;
  readonly email?: string[];
  readonly event?: string[];
}

export async function runAddChannel(session: Session, options: AddChannelOptions): Promise<number> {
  const { organization: organizationId, name } = options;
  const target = readTarget(options, session.config.notifications.allowedHosts);
  const events = readEvents(options.event);
  const control = await session.control();
  if (!(await isInSource(session, organizationId)))
    throw new BackupError("OrganizationNotFound", `There is no organization ${organizationId}.`);
  const id = randomUUID();
  const channel = await createChannel(
    control,
    { id, organizationId, name, kind: target.kind, events, shown: showTarget(target), requestedBy: "cli" },
    await sealChannelTarget(session, id, target),
  );
  const secret = target.kind === "webhook" ? target.secret : null;
  session.output.result({ ...channel, secret }, () =>
    [
      `channel ${id} (${channel.shown}) is told: ${events.join(", ")}`,
      ...(secret === null ? [] : [`signing secret, told this once: ${secret}`]),
      `try it: wedsync-backup notify test ${id}`,
    ].join("\n"),
  );
  return 0;
}

function readTarget({ webhook, email }: AddChannelOptions, allowedHosts: readonly string[]): ChannelTarget {
  if ((webhook === undefined) === (email === undefined)) throw usage("Give one of --webhook and --email.");
  if (webhook !== undefined)
    return { kind: "webhook", url: readWebhookUrl(webhook, allowedHosts).href, secret: createWebhookSecret() };
  return { kind: "email", to: readRecipients(email ?? []) };
}

function readEvents(names: readonly string[] | undefined): readonly NotificationEvent[] {
  if (names === undefined) return defaultNotificationEvents;
  const isEvent = (name: string): name is NotificationEvent => (notificationEventNames as string[]).includes(name);
  const unknown = names.filter((name) => !isEvent(name));
  if (unknown.length > 0) throw usage(`Events are: ${notificationEventNames.join(", ")}.`);
  return names.filter(isEvent);
}

export async function runListChannels(session: Session, options: { organization?: string }): Promise<number> {
  const channels = await listChannels(await session.control(), options.organization ?? null);
  session.output.result({ channels }, () =>
    channels.length === 0
      ? "nobody is told anything; see: wedsync-backup notify add --help"
      : table(
          ["channel", "organization", "name", "to", "is told"],
          channels.map((each) => [each.id, each.organizationId, each.name, each.shown, each.events.join(", ")]),
        ),
  );
  return 0;
}

export async function runRemoveChannel(session: Session, id: string): Promise<number> {
  const removed = await removeChannel(await session.control(), id);
  session.output.result(removed, () => `${removed.name} of ${removed.organizationId} is told nothing more`);
  return 0;
}

export async function runChangeSecret(
  session: Session,
  channelId: string,
  options: { overlapHours?: string },
): Promise<number> {
  const overlapHours = Number(options.overlapHours ?? defaultOverlapHours);
  if (!Number.isInteger(overlapHours) || overlapHours < 0 || overlapHours > mostOverlapHours)
    throw usage(`--overlap-hours must be a whole number from 0 to ${mostOverlapHours}.`);
  const secret = createWebhookSecret();
  const oldSecretUntil = await changeSecret(await session.control(), {
    channelId,
    sealed: await sealChannelSecret(session, channelId, secret),
    overlapSeconds: overlapHours * 3_600,
  });
  session.output.result({ id: channelId, secret, oldSecretUntil }, () =>
    [
      `signing secret, told this once: ${secret}`,
      overlapHours === 0 ? "the old one signs no more" : `until ${oldSecretUntil} the old one signs, too`,
    ].join("\n"),
  );
  return 0;
}

/** A worker sends it, as it would send any other; without one this command brings its own. */
export async function runTestChannel(session: Session, id: string): Promise<number> {
  const control = await session.control();
  const deliveryId = await testAnyChannel(control, id);
  await bringWorker(session);
  const delivery = await follow(deliveryId);
  session.output.result(delivery, () =>
    delivery.status === "delivered"
      ? "delivered"
      : delivery.status === "failed"
        ? `not delivered: ${delivery.error?.code}: ${delivery.error?.message}`
        : "no worker has sent it yet; see: wedsync-backup notify deliveries",
  );
  return delivery.status === "delivered" ? 0 : delivery.status === "failed" ? 1 : 75;

  async function follow(wanted: string): Promise<Delivery> {
    for (const untilMs = performance.now() + 90_000; ; await sleep(200)) {
      const [found] = await listDeliveries(control, { organizationId: null, id: wanted, limit: 1 });
      if (found === undefined) throw new BackupError("Internal", "The test's delivery is gone.");
      const isOver = found.status === "delivered" || found.status === "failed";
      if (isOver || performance.now() > untilMs) return found;
    }
  }
}

export async function runListDeliveries(session: Session, options: { organization?: string }): Promise<number> {
  const organizationId = options.organization ?? null;
  const deliveries = await listDeliveries(await session.control(), { organizationId, limit: 100 });
  session.output.result({ deliveries }, () =>
    deliveries.length === 0
      ? "nothing was sent yet"
      : table(
          ["when", "channel", "event", "about", "status", "attempts", "last fault"],
          deliveries.map((each) => [
            each.createdAt.slice(0, 19),
            each.channelName,
            each.event,
            each.subjectId,
            each.status,
            String(each.attempts),
            each.error === null ? "" : `${each.error.code}: ${each.error.message}`,
          ]),
        ),
  );
  return 0;
}

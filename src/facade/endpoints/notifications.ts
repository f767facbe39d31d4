// Notification channels, and what became of what was sent through them.
import { randomUUID } from "node:crypto";
import { z } from "zod";
import {
  insertChannel,
  listChannels,
  listDeliveries,
  putTarget,
  removeChannel,
  testChannel,
} from "../../control/notifications.ts";
import { createWebhookSecret } from "../../crypto/webhook-signature.ts";
import { defaultNotificationEvents, notificationEventNames, type ChannelTarget } from "../../domain/notification.ts";
import { readRecipients, readWebhookUrl, showTarget } from "../../domain/notification-target.ts";
import { defineEndpoint } from "../endpoint.ts";
import { cursor, id, limit, lineOfText, organizationId, organizationQuery, textOf, timeCursor } from "../input.ts";
import { readPage } from "../page.ts";
import { ValueError } from "../problem.ts";
import { assertOrganization } from "./organizations.ts";

const bodySchema = z
  .strictObject({
    organizationId: organizationId.optional(),
    name: lineOfText(100),
    webhook: z
      .strictObject({ url: textOf(2_000).min(1) })
      .optional()
      .meta({ description: "https only; no redirect is followed, no private address is called" }),
    email: z.strictObject({ to: z.array(textOf(254)).min(1).max(10) }).optional(),
    events: z.array(z.enum(notificationEventNames)).min(1).max(20).default(defaultNotificationEvents),
  })
  .meta({ id: "NotificationChannelBody" });

const channelSchema = z
  .object({
    id: z.string(),
    organizationId: z.string(),
    name: z.string(),
    kind: z.enum(["webhook", "email"]),
    events: z.array(z.string()),
    shown: z.string().meta({ description: "The target, without what is secret or personal in it" }),
    createdAt: z.string(),
  })
  .meta({ id: "NotificationChannel" });

const deliverySchema = z
  .object({
    id: z.string(),
    organizationId: z.string(),
    channelId: z.string(),
    channelName: z.string(),
    event: z.string(),
    subjectId: z.string().meta({ description: "Id of the job, restore, policy or channel that it is about" }),
    createdAt: z.string(),
    status: z.enum(["waiting", "sending", "delivered", "failed"]),
    attempts: z.number(),
    lastAttemptAt: z.string().nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
  })
  .meta({ id: "NotificationDelivery" });

const channelId = z.strictObject({ channelId: id });

export const listNotificationChannels = defineEndpoint({
  id: "listNotificationChannels",
  method: "get",
  path: "/api/admin/notification-channels",
  action: "notification.read",
  scope: "any",
  summary: "Who is told what",
  query: organizationQuery,
  success: { status: 200, description: "All of them", schema: z.object({ channels: z.array(channelSchema) }) },
  async handle(call) {
    const channels = await call.run((bound) => listChannels(bound, call.organizationId));
    return { status: 200, body: { channels } };
  },
});

export const createNotificationChannel = defineEndpoint({
  id: "createNotificationChannel",
  method: "post",
  path: "/api/admin/notification-channels",
  action: "notification.write",
  scope: "organization",
  summary: "Tell a webhook or e-mail addresses",
  body: bodySchema,
  success: {
    status: 201,
    description: "The channel; a webhook's signing secret is told this once",
    schema: channelSchema.extend({ secret: z.string().nullable() }),
    location: true,
  },
  refusals: ["NotificationChannelInvalid", "NotificationChannelExists", "OrganizationNotFound"],
  // What is kept for a repeated request must not hold the secret.
  withoutSecrets: (body) => ({ ...(body as object), secret: null }),
  async handle(call) {
    const target = readTarget(call.body, call.dependencies.notifications.allowedHosts);
    const organization = call.organizationId as string;
    await assertOrganization(call, organization);
    const created = { id: randomUUID(), organizationId: organization, requestedBy: call.principal.subject };
    const sealed = await call.dependencies.notifications.sealTarget(created.id, target);
    const { name, events } = call.body;
    const channel = await call.run(async (bound) => {
      const inserted = await insertChannel(bound, {
        ...created,
        name,
        events,
        kind: target.kind,
        shown: showTarget(target),
      });
      await putTarget(bound, created.id, sealed);
      return inserted;
    });
    return {
      status: 201,
      body: { ...channel, secret: target.kind === "webhook" ? target.secret : null },
      headers: { Location: "/api/admin/notification-channels" },
    };
  },
});

/** @throws ValueInvalid, NotificationChannelInvalid */
function readTarget({ webhook, email }: z.output<typeof bodySchema>, allowedHosts: readonly string[]): ChannelTarget {
  if ((webhook === undefined) === (email === undefined))
    throw new ValueError([{ field: "body", message: "must have one of webhook and email" }]);
  if (webhook !== undefined)
    return { kind: "webhook", url: readWebhookUrl(webhook.url, allowedHosts).href, secret: createWebhookSecret() };
  return { kind: "email", to: readRecipients(email?.to ?? []) };
}

export const deleteNotificationChannel = defineEndpoint({
  id: "deleteNotificationChannel",
  method: "delete",
  path: "/api/admin/notification-channels/{channelId}",
  action: "notification.write",
  scope: "organization",
  summary: "Tell it nothing more",
  params: channelId,
  success: { status: 204, description: "It is gone" },
  refusals: ["NotificationChannelNotFound"],
  async handle(call) {
    await call.run((bound) => removeChannel(bound, call.params.channelId));
    return { status: 204 };
  },
});

export const testNotificationChannel = defineEndpoint({
  id: "testNotificationChannel",
  method: "post",
  path: "/api/admin/notification-channels/{channelId}/test",
  action: "notification.test",
  scope: "organization",
  summary: "Send a test through it; the delivery says what came of it",
  params: channelId,
  query: organizationQuery,
  success: {
    status: 202,
    description: "It will be sent",
    schema: z.object({ deliveryId: z.string() }),
    location: true,
  },
  refusals: ["NotificationChannelNotFound"],
  async handle(call) {
    const deliveryId = await call.run((bound) => testChannel(bound, call.params.channelId));
    return {
      status: 202,
      body: { deliveryId },
      headers: { Location: `/api/admin/notification-deliveries?deliveryId=${deliveryId}` },
    };
  },
});

export const listNotificationDeliveries = defineEndpoint({
  id: "listNotificationDeliveries",
  method: "get",
  path: "/api/admin/notification-deliveries",
  action: "notification.read",
  scope: "any",
  summary: "Notifications, how often each was tried and how that ended, newest first",
  query: z.strictObject({
    organizationId: organizationId.optional(),
    channelId: id.optional(),
    deliveryId: id.optional(),
    limit,
    cursor,
  }),
  success: {
    status: 200,
    description: "One page",
    schema: z.object({ deliveries: z.array(deliverySchema), next: z.string().nullable() }),
  },
  async handle(call) {
    const { channelId: channel, deliveryId } = call.query;
    const filter = {
      organizationId: call.organizationId,
      ...(channel !== undefined && { channelId: channel }),
      ...(deliveryId !== undefined && { id: deliveryId }),
    };
    const { page, next } = await readPage(call.query, {
      cursor: timeCursor,
      read: (after, most) => call.run((bound) => listDeliveries(bound, { ...filter, after, limit: most })),
      positionOf: (row) => ({ at: row.createdAt, id: row.id }),
    });
    return { status: 200, body: { deliveries: page, next } };
  },
});

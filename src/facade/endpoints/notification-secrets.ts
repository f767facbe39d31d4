// Changing the secret by which a webhook's receiver knows us.
import { z } from "zod";
import { changeOwnSecret } from "../../control/notification-secrets.ts";
import { createWebhookSecret } from "../../crypto/webhook-signature.ts";
import { defaultOverlapHours, mostOverlapHours } from "../../domain/notification.ts";
import { defineEndpoint } from "../endpoint.ts";
import { id, organizationId } from "../input.ts";

export const changeNotificationSecret = defineEndpoint({
  id: "changeNotificationSecret",
  method: "post",
  path: "/api/admin/notification-channels/{channelId}/secret",
  action: "notification.write",
  scope: "organization",
  summary: "Give a webhook a new signing secret; for a while the old one signs, too",
  params: z.strictObject({ channelId: id }),
  body: z
    .strictObject({
      organizationId: organizationId.optional(),
      overlapHours: z.number().int().min(0).max(mostOverlapHours).default(defaultOverlapHours).meta({
        description: "For so long requests carry a signature by each of the two; 0 where the old one was given away",
      }),
    })
    .meta({ id: "NotificationSecretBody" }),
  success: {
    status: 200,
    description: "The new secret, told this once",
    schema: z.object({ id: z.string(), secret: z.string().nullable(), oldSecretUntil: z.string() }),
  },
  refusals: ["NotificationChannelNotFound", "NotificationChannelInvalid"],
  // What is kept for a repeated request must not hold the secret.
  withoutSecrets: (body) => ({ ...(body as object), secret: null }),
  async handle(call) {
    const { channelId } = call.params;
    const secret = createWebhookSecret();
    const sealed = await call.dependencies.notifications.sealSecret(channelId, secret);
    const overlapSeconds = call.body.overlapHours * 3_600;
    const oldSecretUntil = await call.run((bound) => changeOwnSecret(bound, { channelId, sealed, overlapSeconds }));
    return { status: 200, body: { id: channelId, secret, oldSecretUntil } };
  },
});

// One attempt to tell somebody something. What became of it stands beside the delivery, for the organization to see; so the
// words of a failure name no address and quote no answer.
import { Context } from "@temporalio/activity";
import { BackupError } from "../src/domain/errors.ts";
import type { NotifyOrder } from "../src/domain/notification.ts";
import type { ActivityDependencies } from "./dependencies.ts";

type Dependencies = Pick<ActivityDependencies, "notifications">;

export async function sendNotification(
  { notifications: { ledger, sender, openTarget } }: Dependencies,
  { deliveryId, channelId }: NotifyOrder,
): Promise<{ sent: boolean }> {
  const { info, cancellationSignal } = Context.current();
  const delivery = await ledger.readDelivery(deliveryId);
  if (delivery === null || delivery.isDelivered) return { sent: false };
  if (delivery.sealed === null) {
    await ledger.closeFailed(deliveryId, "NotificationChannelNotFound");
    return { sent: false };
  }
  try {
    const target = await openTarget(channelId, delivery.sealed);
    await sender.send(target, delivery.notification, cancellationSignal);
  } catch (error) {
    const { code, message } =
      error instanceof BackupError ? error : new BackupError("Internal", "A fault of this product.");
    await ledger.recordAttempt(deliveryId, info.attempt, { code, message });
    throw error;
  }
  // Should this fail, it is sent again: receivers know a repetition by its id.
  await ledger.recordAttempt(deliveryId, info.attempt, null);
  return { sent: true };
}

// Tells one channel one thing, at least once. Started by the workers' relay for each delivery that a job's end has written
// down (src/worker/relay-notifications.ts): nothing that a backup does waits for it.
import {
  ApplicationFailure,
  CancellationScope,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
} from "@temporalio/workflow";
import type { NotifyActivities, NotifyControlActivities } from "../activities/notify-contract.ts";
import { taskQueues } from "../src/domain/backup-request.ts";
import { nonRetryableCodes } from "../src/domain/errors.ts";
import type { NotifyOrder } from "../src/domain/notification.ts";
import { nameFailure, timedOut } from "./failures.ts";

const nonRetryableErrorTypes = [...nonRetryableCodes];

/** 2 s, 6 s, 18 s … 4 h: fourteen attempts within a day. A test is answered at once, or not at all. */
const sendingOf = ({ event }: NotifyOrder) =>
  proxyActivities<NotifyActivities>({
    taskQueue: taskQueues.notifications,
    startToCloseTimeout: "1m",
    retry: {
      initialInterval: "2s",
      backoffCoefficient: 3,
      maximumInterval: "4h",
      maximumAttempts: event === "test" ? 1 : 14,
      nonRetryableErrorTypes,
    },
  });

const control = proxyLocalActivities<NotifyControlActivities>({
  startToCloseTimeout: "20s",
  scheduleToCloseTimeout: "24h",
  retry: { initialInterval: "200ms", backoffCoefficient: 2, maximumInterval: "1m", nonRetryableErrorTypes },
});

export async function notify(order: NotifyOrder): Promise<{ sent: boolean }> {
  try {
    const answer = await sendingOf(order).sendNotification(order);
    setCurrentDetails(
      answer.sent ? "**delivered**" : "nothing to send: the channel is gone, or it was delivered before",
    );
    return answer;
  } catch (error) {
    const { code, message } = timedOut(error)
      ? ({ code: "NotificationUndelivered", message: "The worker that sent it stopped answering." } as const)
      : nameFailure(error, "The notification was cancelled.");
    await CancellationScope.nonCancellable(() => control.closeNotification({ deliveryId: order.deliveryId, code }));
    setCurrentDetails(`**${code}**: ${message}`);
    throw ApplicationFailure.create({ type: code, message, nonRetryable: true });
  }
}

/** Started by a schedule: writes down a notification for each policy that is due and has no good backup, and skipped runs. */
export async function watchOverduePolicies(): Promise<{ notifications: number }> {
  return await control.noticeOverduePolicies();
}

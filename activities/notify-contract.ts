// The activities of notifications, as types only; see contract.ts. Ids alone pass here: targets and secrets are read by the
// activity, and never enter history.
import type { ErrorCode } from "../src/domain/errors.ts";
import type { NotifyOrder } from "../src/domain/notification.ts";

export interface NotifyActivities {
  /** One attempt. @returns false when there is nothing to send any more: the channel is gone, or it was delivered. */
  sendNotification(order: NotifyOrder): Promise<{ sent: boolean }>;
}

/** Short; run beside the workflow, without a task of their own. */
export interface NotifyControlActivities {
  /** Says that no further attempt is made. */
  closeNotification(input: { deliveryId: string; code: ErrorCode }): Promise<void>;
  /** Also writes down which runs the schedules themselves have skipped. Safe to repeat. */
  noticeOverduePolicies(): Promise<{ notifications: number }>;
}

// What the notify workflow's activities need: the deliveries' table, and the two ways out of the house.
import type { ErrorCode } from "../domain/errors.ts";
import type { ChannelTarget, Notification, NotifyOrder } from "../domain/notification.ts";

export interface DeliveryToSend {
  readonly notification: Notification;
  readonly isDelivered: boolean;
  /** Null when the channel was removed meanwhile. */
  readonly sealed: SealedTarget | null;
}

/** What lies sealed of a channel. */
export interface SealedTarget {
  readonly target: string;
  /** Null: the one in the target. */
  readonly secret: string | null;
  /** The secret before it, while it still signs; `sealed` null: the one in the target. */
  readonly oldSecret: { readonly sealed: string | null } | null;
}

export interface NotificationLedger {
  /** Those that no workflow has yet, oldest first; and those whose workflow has not answered for so long that it must be lost. */
  listWaiting(most: number): Promise<NotifyOrder[]>;
  /** A workflow has it. */
  markHanded(deliveryIds: readonly string[]): Promise<void>;
  readDelivery(deliveryId: string): Promise<DeliveryToSend | null>;
  /** `failure` null: it was delivered. */
  recordAttempt(
    deliveryId: string,
    attempt: number,
    failure: { code: ErrorCode; message: string } | null,
  ): Promise<void>;
  /** No attempt follows. */
  closeFailed(deliveryId: string, code: ErrorCode): Promise<void>;
  /** Writes down what is overdue, and forgets old deliveries. @returns how many notifications were made */
  noticeOverdue(): Promise<number>;
}

export interface NotificationSender {
  /**
   * One attempt, bounded in time. May be repeated with the same notification's id.
   * @throws NotificationUndelivered (worth another attempt), NotificationRefused, NotificationTargetRefused
   */
  send(target: ChannelTarget, notification: Notification, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

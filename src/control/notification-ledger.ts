// Deliveries, as the relay and the notify workflow's activities need them.
import type { NotificationFacts, NotifiedEvent, NotifyOrder } from "../domain/notification.ts";
import type { NotificationLedger } from "../ports/notifications.ts";
import type { ControlDatabase } from "./control-database.ts";

/** Longer than all attempts take together: who has not answered by then was lost with Temporal's memory. */
const lostAfter = "36 hours";
const keptFor = "90 days";

interface DeliveryRow {
  readonly id: string;
  readonly event: NotifiedEvent;
  readonly organizationId: string;
  readonly channelName: string;
  readonly occurredAt: string;
  readonly subjectId: string;
  readonly facts: NotificationFacts;
  readonly status: string;
  readonly target: string | null;
  readonly secret: string | null;
  readonly oldSecret: string | null;
  readonly oldSigns: boolean;
}

export function createNotificationLedger(database: ControlDatabase): NotificationLedger {
  return {
    listWaiting: (most) =>
      database.query<NotifyOrder>(
        `SELECT id AS "deliveryId", organization_id AS "organizationId", channel_id AS "channelId", event
         FROM backup.notification_deliveries
         WHERE status IN ('waiting', 'handed') AND (status = 'waiting' OR handed_at < now() - interval '${lostAfter}')
         ORDER BY created_at LIMIT $1`,
        [most],
      ),

    async markHanded(deliveryIds) {
      await database.query(
        "UPDATE backup.notification_deliveries SET status = 'handed', handed_at = now() WHERE id = ANY ($1::uuid[]) AND status IN ('waiting', 'handed')",
        [deliveryIds],
      );
    },

    async readDelivery(deliveryId) {
      const [row] = await database.query<DeliveryRow>(
        `SELECT d.id, d.event, d.organization_id AS "organizationId", d.channel_name AS "channelName", d.subject_id AS "subjectId", d.facts, d.status,
           to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "occurredAt", t.target_sealed AS target,
           t.secret_sealed AS secret, t.old_secret_sealed AS "oldSecret", coalesce(t.old_secret_until > now(), false) AS "oldSigns"
         FROM backup.notification_deliveries d LEFT JOIN backup.notification_targets t ON t.channel_id = d.channel_id
         WHERE d.id = $1`,
        [deliveryId],
      );
      if (row === undefined) return null;
      const { status, target, secret, oldSecret, oldSigns, ...notification } = row;
      const sealed = target === null ? null : { target, secret, oldSecret: oldSigns ? { sealed: oldSecret } : null };
      return { notification, isDelivered: status === "delivered", sealed };
    },

    async recordAttempt(deliveryId, attempt, failure) {
      await database.query(
        `UPDATE backup.notification_deliveries SET attempts = greatest(attempts, $2), last_attempt_at = now(), error_code = $3, error_message = $4,
           status = CASE WHEN $3::text IS NULL THEN 'delivered' ELSE status END, finished_at = CASE WHEN $3::text IS NULL THEN now() END
         WHERE id = $1 AND status <> 'delivered'`,
        [deliveryId, attempt, failure?.code ?? null, failure?.message ?? null],
      );
    },

    async closeFailed(deliveryId, code) {
      await database.query(
        `UPDATE backup.notification_deliveries SET status = 'failed', finished_at = now(), error_code = coalesce(error_code, $2)
         WHERE id = $1 AND status <> 'delivered'`,
        [deliveryId, code],
      );
    },

    async noticeOverdue() {
      await database.query(
        `DELETE FROM backup.notification_deliveries WHERE status IN ('delivered', 'failed') AND created_at < now() - interval '${keptFor}'`,
      );
      const [row] = await database.query<{ made: number }>("SELECT backup.notify_of_overdue_policies() AS made");
      return row?.made ?? 0;
    },
  };
}

// Channels and deliveries, for those who set them up and look: the CLI (as the tables' owner) and the facade (under
// row-level security).
import { BackupError } from "../domain/errors.ts";
import type { NotificationEvent } from "../domain/notification.ts";
import type { Queryable } from "./control-database.ts";
import { utcMoment } from "./utc-moment.ts";

export interface Channel {
  readonly id: string;
  readonly organizationId: string;
  readonly name: string;
  readonly kind: "webhook" | "email";
  readonly events: readonly NotificationEvent[];
  /** The target, without what is secret or personal in it. */
  readonly shown: string;
  readonly createdAt: string;
}

export interface NewChannel extends Omit<Channel, "createdAt"> {
  readonly requestedBy: string;
}

const columns = `id, organization_id AS "organizationId", name, kind, events, shown, ${utcMoment("created_at")} AS "createdAt"`;

/** Without its target, which follows in the same transaction. @throws NotificationChannelExists */
export async function insertChannel(database: Queryable, channel: NewChannel): Promise<Channel> {
  const { id, organizationId, name, kind, events, shown, requestedBy } = channel;
  const [created] = await database.query<Channel>(
    `INSERT INTO backup.notification_channels (id, organization_id, name, kind, events, shown, requested_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (organization_id, name) DO NOTHING RETURNING ${columns}`,
    [id, organizationId, name, kind, events, shown, requestedBy],
  );
  if (created === undefined)
    throw new BackupError("NotificationChannelExists", "The organization has a channel of that name; choose another.");
  return created;
}

/** By a session of the facade, which can write a target and read none. */
export async function putTarget(bound: Queryable, channelId: string, sealed: string): Promise<void> {
  await bound.query("SELECT backup.put_notification_target($1, $2)", [channelId, sealed]);
}

/** By the tables' owner, both in one statement. @throws NotificationChannelExists */
export async function createChannel(owner: Queryable, channel: NewChannel, sealed: string): Promise<Channel> {
  const { id, organizationId, name, kind, events, shown, requestedBy } = channel;
  const [created] = await owner.query<Channel>(
    `WITH channel AS (
       INSERT INTO backup.notification_channels (id, organization_id, name, kind, events, shown, requested_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (organization_id, name) DO NOTHING RETURNING *
     ), target AS (
       INSERT INTO backup.notification_targets (channel_id, target_sealed) SELECT id, $8 FROM channel
     ) SELECT ${columns} FROM channel`,
    [id, organizationId, name, kind, events, shown, requestedBy, sealed],
  );
  if (created === undefined)
    throw new BackupError("NotificationChannelExists", "The organization has a channel of that name; choose another.");
  return created;
}

export async function listChannels(database: Queryable, organizationId: string | null): Promise<Channel[]> {
  return await database.query<Channel>(
    `SELECT ${columns} FROM backup.notification_channels WHERE $1::text IS NULL OR organization_id = $1 ORDER BY organization_id, name`,
    [organizationId],
  );
}

/** Its deliveries stay, to be looked at. @throws NotificationChannelNotFound */
export async function removeChannel(database: Queryable, id: string): Promise<Channel> {
  const [removed] = isId(id)
    ? await database.query<Channel>(`DELETE FROM backup.notification_channels WHERE id = $1 RETURNING ${columns}`, [id])
    : [];
  if (removed === undefined) throw channelNotFound(id);
  return removed;
}

/** @returns the delivery's id. @throws NotificationChannelNotFound */
export async function testChannel(bound: Queryable, id: string): Promise<string> {
  const [row] = await bound.query<{ id: string | null }>("SELECT backup.test_notification_channel($1) AS id", [id]);
  if (row?.id === undefined || row.id === null) throw channelNotFound(id);
  return row.id;
}

/** By the tables' owner. @throws NotificationChannelNotFound */
export async function testAnyChannel(owner: Queryable, id: string): Promise<string> {
  const [row] = isId(id)
    ? await owner.query<{ id: string }>(
        `INSERT INTO backup.notification_deliveries (organization_id, channel_id, channel_name, event, occurrence, subject_id, facts)
         SELECT organization_id, id, name, 'test', gen_random_uuid()::text, id::text, '{}' FROM backup.notification_channels WHERE id = $1
         RETURNING id`,
        [id],
      )
    : [];
  if (row === undefined) throw channelNotFound(id);
  return row.id;
}

export interface Delivery {
  readonly id: string;
  readonly organizationId: string;
  readonly channelId: string;
  readonly channelName: string;
  readonly event: string;
  readonly subjectId: string;
  readonly createdAt: string;
  readonly status: "waiting" | "sending" | "delivered" | "failed";
  readonly attempts: number;
  readonly lastAttemptAt: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export interface DeliveryFilter {
  readonly organizationId: string | null;
  readonly id?: string;
  readonly channelId?: string;
  readonly after?: { readonly at: string; readonly id: string } | null;
  readonly limit: number;
}

/** Newest first. */
export async function listDeliveries(database: Queryable, filter: DeliveryFilter): Promise<Delivery[]> {
  const { organizationId, id = null, channelId = null, after = null, limit } = filter;
  return await database.query<Delivery>(
    `SELECT d.id, d.organization_id AS "organizationId", d.channel_id AS "channelId", d.channel_name AS "channelName", d.event,
       d.subject_id AS "subjectId", ${utcMoment("d.created_at")} AS "createdAt", CASE d.status WHEN 'handed' THEN 'sending' ELSE d.status END AS status,
       d.attempts, ${utcMoment("d.last_attempt_at")} AS "lastAttemptAt",
       CASE WHEN d.error_code IS NOT NULL THEN json_build_object('code', d.error_code, 'message', coalesce(d.error_message, '')) END AS error
     FROM backup.notification_deliveries d
     WHERE ($1::text IS NULL OR d.organization_id = $1) AND ($2::uuid IS NULL OR d.id = $2) AND ($3::uuid IS NULL OR d.channel_id = $3)
       AND ($4::timestamptz IS NULL OR (d.created_at, d.id) < ($4, $5::uuid))
     ORDER BY d.created_at DESC, d.id DESC LIMIT $6`,
    [organizationId, id, channelId, after?.at ?? null, after?.id ?? null, limit],
  );
}

const isId = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);

export const channelNotFound = (id: string): BackupError =>
  new BackupError("NotificationChannelNotFound", `There is no channel ${id}. See: wedsync-backup notify list`);

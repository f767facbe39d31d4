// Changing a webhook's signing secret, and sealing all that is sealed of channels by another key.
import { BackupError } from "../domain/errors.ts";
import type { Queryable } from "./control-database.ts";
import { channelNotFound } from "./notifications.ts";
import { resealColumn } from "./reseal-column.ts";

export interface ChangedSecret {
  readonly channelId: string;
  readonly sealed: string;
  /** For so long the present secret signs beside it. */
  readonly overlapSeconds: number;
}

/** By the tables' owner. @returns until when the old secret signs. @throws NotificationChannelNotFound, NotificationChannelInvalid */
export const changeSecret = (owner: Queryable, changed: ChangedSecret): Promise<string> =>
  change(owner, "backup.change_notification_secret", changed);

/** By a session of the facade, for its own organization. @throws NotificationChannelNotFound, NotificationChannelInvalid */
export const changeOwnSecret = (bound: Queryable, changed: ChangedSecret): Promise<string> =>
  change(bound, "backup.change_own_notification_secret", changed);

async function change(
  database: Queryable,
  sqlFunction: string,
  { channelId, sealed, overlapSeconds }: ChangedSecret,
): Promise<string> {
  const [channel] = await database.query<{ kind: string }>(
    "SELECT kind FROM backup.notification_channels WHERE id::text = lower($1)",
    [channelId],
  );
  if (channel === undefined) throw channelNotFound(channelId);
  if (channel.kind !== "webhook")
    throw new BackupError("NotificationChannelInvalid", "Only a webhook has a signing secret; this channel has none.");
  const [row] = await database.query<{ until: string | null }>(
    `SELECT to_char(${sqlFunction}($1, $2, $3) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS until`,
    [channelId, sealed, overlapSeconds],
  );
  if (row?.until === undefined || row.until === null) throw channelNotFound(channelId);
  return row.until;
}

/** What lies sealed in a column of backup.notification_targets. */
export type SealedPart = "target" | "secret";

const sealedColumns: readonly (readonly [column: string, SealedPart])[] = [
  ["target_sealed", "target"],
  ["secret_sealed", "secret"],
  ["old_secret_sealed", "secret"],
];

/** Seals targets and secrets anew; see resealColumn. @returns of how many channels */
export async function resealChannels(
  owner: Queryable,
  reseal: (channelId: string, part: SealedPart, sealed: string) => Promise<string | null>,
): Promise<number> {
  const changed = new Set<string>();
  for (const [column, part] of sealedColumns) {
    const place = { table: "backup.notification_targets", key: "channel_id", column } as const;
    for (const id of await resealColumn(owner, place, (channelId, sealed) => reseal(channelId, part, sealed)))
      changed.add(id);
  }
  return changed.size;
}

// What the control tables keep sealed: URLs of restores' targets, addresses and secrets of notification channels. A worker
// elsewhere must find them there, and nobody who reads the tables may.
import { createRestoreTarget } from "../adapters/postgres/restore/restore-target.ts";
import { resealChannels } from "../control/notification-secrets.ts";
import { resealRestoreTargets } from "../control/restores.ts";
import {
  channelSecretPurpose,
  channelTargetPurpose,
  openText,
  restoreTargetPurpose,
  sealText,
} from "../crypto/sealed-text.ts";
import { BackupError } from "../domain/errors.ts";
import type { ChannelTarget } from "../domain/notification.ts";
import type { RestoreTarget } from "../ports/restore-target.ts";
import type { Session } from "./session.ts";

/** For the restore's row. */
export async function sealRestoreTarget(session: Session, url: string): Promise<string> {
  return await sealText(await session.encryptionKey(), restoreTargetPurpose, url);
}

/** For the channel's row. */
export async function sealChannelTarget(session: Session, channelId: string, target: ChannelTarget): Promise<string> {
  return await sealText(await session.encryptionKey(), channelTargetPurpose(channelId), JSON.stringify(target));
}

export async function sealChannelSecret(session: Session, channelId: string, secret: string): Promise<string> {
  return await sealText(await session.encryptionKey(), channelSecretPurpose(channelId), secret);
}

/** The source's for null, else the URL that sealRestoreTarget() sealed. */
export async function restoreTargetUrl(session: Session, sealed: string | null): Promise<string> {
  if (sealed !== null) return await openText(await session.encryptionKey(), restoreTargetPurpose, sealed);
  await session.sourceServer();
  return session.sourceUrl;
}

/** Close it. */
export async function openRestoreTarget(session: Session, sealed: string | null): Promise<RestoreTarget> {
  return createRestoreTarget({ url: await restoreTargetUrl(session, sealed) });
}

/** For `keys rotate`: the new key must open what the present one has sealed. @returns how many it sealed */
export async function resealTargets(session: Session, newKey: string): Promise<{ channels: number; restores: number }> {
  const control = await session.control();
  const presentKey = await session.encryptionKey();
  const reseal = async (purpose: string, sealed: string): Promise<string | null> => {
    // A rotation that is asked for again finds some that the new key opens already. What neither opens was lost before.
    if ((await tryOpen(newKey, purpose, sealed)) !== null) return null;
    const text = await tryOpen(presentKey, purpose, sealed);
    return text === null ? null : await sealText(newKey, purpose, text);
  };
  return {
    channels: await resealChannels(control, (channelId, part, sealed) =>
      reseal(part === "target" ? channelTargetPurpose(channelId) : channelSecretPurpose(channelId), sealed),
    ),
    restores: await resealRestoreTargets(control, (sealed) => reseal(restoreTargetPurpose, sealed)),
  };
}

async function tryOpen(key: string, purpose: string, sealed: string): Promise<string | null> {
  try {
    return await openText(key, purpose, sealed);
  } catch (error) {
    if (error instanceof BackupError && error.code === "EncryptionKeyWrong") return null;
    throw error;
  }
}

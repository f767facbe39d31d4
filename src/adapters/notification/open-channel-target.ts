// Opens what lies sealed of a channel. A webhook's secret may have been changed since the target was sealed: then it lies
// beside it, and for a while so does the one before it.
import { channelSecretPurpose, channelTargetPurpose, openText } from "../../crypto/sealed-text.ts";
import type { ChannelTarget } from "../../domain/notification.ts";
import type { SealedTarget } from "../../ports/notifications.ts";

/** @throws EncryptionKeyWrong */
export async function openChannelTarget(key: string, channelId: string, sealed: SealedTarget): Promise<ChannelTarget> {
  const target = JSON.parse(await openText(key, channelTargetPurpose(channelId), sealed.target)) as ChannelTarget;
  if (target.kind !== "webhook") return target;
  const secretOf = async (part: string | null): Promise<string> =>
    part === null ? target.secret : await openText(key, channelSecretPurpose(channelId), part);
  return {
    ...target,
    secret: await secretOf(sealed.secret),
    ...(sealed.oldSecret !== null && { oldSecret: await secretOf(sealed.oldSecret.sealed) }),
  };
}

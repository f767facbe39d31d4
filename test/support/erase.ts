// Ordering an erasure as the command line does, and what is left after one.
import { followErasure, requestErasureRun } from "../../src/client/start-erasure.ts";
import { getErasure, requestErasure } from "../../src/control/erasures.ts";
import type { ErasureOutcome } from "../../src/domain/erase-run.ts";
import type { ErasureRow } from "../../src/ports/erasure-ledger.ts";
import { organizationPrefix } from "../../src/repository/names.ts";
import type { BackupRig } from "./backup-rig.ts";

type Asked = { readonly actor?: string; readonly leaveLocked?: boolean };

export async function orderErasure(
  { control, client }: BackupRig,
  organizationId: string,
  { actor = "olga", leaveLocked = false }: Asked = {},
): Promise<string> {
  const erasureId = await requestErasure(control, { organizationId, actor, leaveLocked });
  await requestErasureRun(client, { erasureId, organizationId });
  return erasureId;
}

export async function erase(rig: BackupRig, organizationId: string, asked: Asked = {}): Promise<ErasureOutcome> {
  await orderErasure(rig, organizationId, asked);
  return await followErasure(rig.client, { organizationId });
}

export const erasureOf = ({ control }: BackupRig, organizationId: string): Promise<ErasureRow> =>
  getErasure(control, organizationId);

export async function storedUnder({ store }: Pick<BackupRig, "store">, organizationId: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(organizationPrefix(organizationId))) keys.push(key);
  return keys;
}

/** Every object whose key starts so, with its bytes. */
export async function bytesUnder({ store }: Pick<BackupRig, "store">, prefix: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { key } of store.list(prefix)) found[key] = (await store.read(key)).toString("base64");
  return found;
}

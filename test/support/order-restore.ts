// A restore as an admin orders one.
import { randomUUID } from "node:crypto";
import { requestRestore } from "../../src/client/start-restore.ts";
import { createRestore } from "../../src/control/restores.ts";
import { restoreDefaults, type RestoreOrder } from "../../src/domain/restore-run.ts";
import type { BackupRig } from "./backup-rig.ts";

/** Into the organization itself, of the newest backup, and approved beforehand, unless `asked` says otherwise. */
export async function orderRestore(
  { client, control }: Pick<BackupRig, "client" | "control">,
  asked: Partial<RestoreOrder> & Pick<RestoreOrder, "organizationId">,
): Promise<RestoreOrder> {
  const order: RestoreOrder = {
    ...restoreDefaults,
    restoreId: randomUUID(),
    targetOrganizationId: asked.organizationId,
    approval: "given",
    requestedBy: "test",
    ...asked,
  };
  await createRestore(control, order, { records: null, targetSealed: null });
  await requestRestore(client, order);
  return order;
}

// Histories of erasures for test/replay: one that was carried out, one that a legal hold refused.
import { followErasure, requestErasureRun } from "../src/client/start-erasure.ts";
import { requestErasure } from "../src/control/erasures.ts";
import { placeLegalHold } from "../src/control/legal-hold.ts";
import { eraseWorkflowId } from "../src/domain/erase-run.ts";
import type { BackupRig } from "../test/support/backup-rig.ts";

type Keep = (name: string, workflowId: string) => Promise<void>;

export async function recordErasures(
  rig: BackupRig,
  keep: Keep,
  { erased, held }: { erased: string; held: string },
): Promise<void> {
  await rig.backUp(erased);
  await placeLegalHold(rig.control, { organizationId: held, reason: "a case", actor: "test" });
  for (const [name, organizationId] of [
    ["erase-finished", erased],
    ["erase-refused", held],
  ] as const) {
    const erasureId = await requestErasure(rig.control, { organizationId, actor: "test", leaveLocked: false });
    await requestErasureRun(rig.client, { erasureId, organizationId });
    await followErasure(rig.client, { organizationId }).catch(() => {}); // the second is meant to fail
    await keep(name, eraseWorkflowId({ organizationId }));
  }
}

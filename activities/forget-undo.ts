// Deletes what restores of an organization kept for their undoing, in whichever databases they wrote.
import type { Remaining } from "../src/domain/erase-run.ts";
import { BackupError } from "../src/domain/errors.ts";
import type { ActivityDependencies } from "./dependencies.ts";
import type { EraseStep } from "./erase-contract.ts";

export async function forgetUndo(
  { erasures, openRestoreTarget }: Pick<ActivityDependencies, "erasures" | "openRestoreTarget">,
  step: EraseStep,
): Promise<{ undoRows: number }> {
  const places = await erasures.listUndoPlaces(step.organizationId);
  // The source also where no restore is known any more: the log lies there.
  const own = places.find(({ targetSealed }) => targetSealed === null) ?? { targetSealed: null, restoreIds: [] };
  const unreached: Remaining[] = [];
  let undoRows = 0;
  for (const { targetSealed, restoreIds } of [own, ...places.filter((place) => place.targetSealed !== null)]) {
    try {
      const target = await openRestoreTarget(targetSealed);
      try {
        undoRows += (await target.forget(step.organizationId, restoreIds)).undoRows;
      } finally {
        await target.close();
      }
    } catch (error) {
      // Another database may be long gone, or not ours any more: that is said, and holds nothing up.
      if (targetSealed === null || !(error instanceof BackupError)) throw error;
      unreached.push({
        what: `undo logs of ${restoreIds.length} restores in another database`,
        why: `${error.code} when they were to be deleted`,
      });
    }
  }
  if (unreached.length > 0) {
    const { remaining } = await erasures.readErasure(step);
    const isNew = ({ what }: Remaining): boolean => !remaining.some((each) => each.what === what);
    await erasures.recordRemaining(step, [...remaining, ...unreached.filter(isNew)]);
  }
  return { undoRows };
}

// A run that was ended from outside (`temporal workflow terminate`) gives nothing back: its lease, its wait for people and
// its staging stay. Whoever finds them in the way asks Temporal whether the run is still there, and if not, clears up.
import { BackupError } from "../../src/domain/errors.ts";
import type { BlockingRun } from "../../src/ports/restore-ledger.ts";
import type { RestoreTarget } from "../../src/ports/restore-target.ts";
import type { ActivityDependencies } from "../dependencies.ts";
import { withTarget, type RestoreDependencies } from "./load-plan.ts";

export type EndedDependencies = RestoreDependencies & Pick<ActivityDependencies, "isRunOver" | "log">;

/** Takes a lease; a second time where all that held it had ended. */
export async function takePastEnded<T>(
  dependencies: EndedDependencies,
  { organizationId, id }: { organizationId: string; id: string },
  take: () => Promise<T>,
): Promise<T> {
  try {
    return await take();
  } catch (error) {
    if (!(error instanceof BackupError) || error.code !== "OrganizationBusy") throw error;
    const blocking = await dependencies.restores.listBlockingRuns({ organizationId, exceptId: id });
    for (const run of blocking) if (!(await giveUpEnded(dependencies, run))) throw error;
    return await take();
  }
}

/** @returns whether it is out of the way. */
async function giveUpEnded(dependencies: EndedDependencies, run: BlockingRun): Promise<boolean> {
  const { restores, log, isRunOver } = dependencies;
  if (!(await isRunOver(run.workflowId))) return false;
  const rows = run.kind === "backup" || run.kind === "erasure" ? "never applied" : await giveUpRows(dependencies, run);
  if (rows === "at work") return false;
  await restores.closeEndedRun(run, rows);
  const { kind, id, organizationId } = run;
  log.warn("a run that was ended from outside is closed", { kind, id, organizationId, rows });
  return true;
}

async function giveUpRows(dependencies: EndedDependencies, { id, isWaiting }: BlockingRun) {
  try {
    return await withTarget(dependencies, { restoreId: id }, (target) => target.giveUp(id, { mark: true }));
  } catch (error) {
    // While it waited it had written nothing: a target that is gone must not keep others waiting.
    if (isWaiting && error instanceof BackupError) return "never applied";
    throw error;
  }
}

/**
 * Staging that nobody will drop: of a worker that was cut off and staged after its restore was over, or of a run that was
 * ended from outside. Restores that these control tables don't know are somebody else's. What can't be swept is left to
 * the next restore.
 */
export async function sweepStaging(
  dependencies: EndedDependencies,
  target: RestoreTarget,
  ownId: string,
): Promise<void> {
  const { restores, log } = dependencies;
  try {
    const others = (await target.listStaged()).filter((id) => id !== ownId);
    for (const { id, isOver, run } of others.length === 0 ? [] : await restores.sortRestores(others)) {
      if (isOver) {
        if ((await target.giveUp(id, { mark: false })) !== "at work") log.warn("stray staging is dropped", { id });
      } else await giveUpEnded(dependencies, run);
    }
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    log.warn("stray staging could not be looked for", { code: error.code, message: error.message });
  }
}

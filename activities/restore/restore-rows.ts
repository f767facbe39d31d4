// The steps of a restore that touch rows: staged beside the live ones, compared, decided, applied, undone.
import { BackupError } from "../../src/domain/errors.ts";
import type { Decision, TableDifference } from "../../src/domain/restore-request.ts";
import type { RestoreOrder } from "../../src/domain/restore-run.ts";
import { Context } from "@temporalio/activity";
import { beatWhile } from "../heartbeat.ts";
import type {
  AppliedRows,
  NumberedDecision,
  RestoreActivities,
  RestoreKey,
  RestoreStep,
  UndoneRestore,
} from "../restore-contract.ts";
import { sweepStaging, type EndedDependencies } from "./give-up-ended.ts";
import { loadPlan, withTarget, type RestoreDependencies } from "./load-plan.ts";

export async function stageRestore(
  dependencies: EndedDependencies,
  step: RestoreStep,
): ReturnType<RestoreActivities["stageRestore"]> {
  await refuseKnownTarget(dependencies, step.order);
  const { cancellationSignal } = Context.current();
  let seen = { rows: 0 };
  return await beatWhile(
    () => ({ stage: "stage", ...seen }),
    async () => {
      const plan = await loadPlan(dependencies, step);
      return await withTarget(dependencies, step.order, async (target) => {
        const sweeping = sweepStaging(dependencies, target, step.order.restoreId);
        const staging = target.stage(plan, ({ rows }) => {
          cancellationSignal.throwIfAborted();
          seen = { rows };
        });
        const [{ drift, notes }] = await Promise.all([staging, sweeping]);
        return { drift, notes };
      });
    },
  );
}

/** An id that was another organization's once would get a copy into that one's backups. */
async function refuseKnownTarget({ repository }: RestoreDependencies, order: RestoreOrder): Promise<void> {
  const { organizationId, targetOrganizationId } = order;
  if (targetOrganizationId === organizationId || order.target === "other") return;
  try {
    await repository.openVault(targetOrganizationId);
  } catch (error) {
    if (error instanceof BackupError && error.code === "BackupNotFound") return;
    throw error;
  }
  throw new BackupError(
    "CloneRefused",
    `The repository holds backups of organization ${targetOrganizationId} already; a copy needs an id that is new. Nothing was touched.`,
  );
}

export async function compareRestore(
  dependencies: RestoreDependencies,
  step: RestoreStep,
): Promise<readonly TableDifference[]> {
  return await beatWhile(
    () => ({ stage: "compare" }),
    async () => {
      const plan = await loadPlan(dependencies, step);
      return await withTarget(dependencies, step.order, (target) => target.diff(plan));
    },
  );
}

export async function storeDecisions(
  dependencies: RestoreDependencies,
  { order, decisions }: { order: RestoreOrder; decisions: readonly NumberedDecision[] },
): Promise<{ undecided: number }> {
  return await beatWhile(
    () => ({ stage: "decide" }),
    () => withTarget(dependencies, order, (target) => target.decide(order.restoreId, decisions)),
  );
}

export async function storeRestDecision(
  dependencies: RestoreDependencies,
  { order, table, decision }: { order: RestoreOrder; table: string | null; decision: Decision },
): Promise<{ undecided: number }> {
  return await beatWhile(
    () => ({ stage: "decide" }),
    () => withTarget(dependencies, order, (target) => target.decideRest(order.restoreId, { table, decision })),
  );
}

export async function applyRestore(
  dependencies: RestoreDependencies,
  { order, backup, fencingToken, defaultDecision }: Parameters<RestoreActivities["applyRestore"]>[0],
): Promise<AppliedRows> {
  const { restoreId, organizationId, strategy, liveOnly } = order;
  return await beatWhile(
    () => ({ stage: "apply" }),
    async () => {
      // A run whose lease went to another operation must not write beside it.
      await dependencies.restores.assertLease({ restoreId, organizationId, fencingToken });
      const plan = await loadPlan(dependencies, { order, backup });
      return await withTarget(dependencies, order, async (target) => {
        const result = await target.apply(plan, { strategy, liveOnly, defaultDecision });
        return result.applied ? result : { applied: false, askAgain: result.askAgain.length };
      });
    },
  );
}

export async function undoRestore(
  dependencies: RestoreDependencies,
  { restoreId, partial }: RestoreKey & { partial: boolean },
): Promise<UndoneRestore> {
  return await beatWhile(
    () => ({ stage: "rollback" }),
    () =>
      withTarget(dependencies, { restoreId }, async (target) => {
        try {
          return { wasApplied: true, ...(await target.rollback(restoreId, { partial })) };
        } catch (error) {
          if (!(error instanceof BackupError) || error.code !== "RestoreNotFound") throw error;
          return { wasApplied: false, tables: [], refused: [] };
        }
      }),
  );
}

export async function dropStaging(dependencies: RestoreDependencies, { restoreId }: RestoreKey): Promise<void> {
  await beatWhile(
    () => ({ stage: "clean up" }),
    () => withTarget(dependencies, { restoreId }, (target) => target.dropStaging(restoreId)),
  );
}

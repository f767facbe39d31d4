// Erases an organization: one activity for each step of workflows/erase-organization.ts.
import { Context } from "@temporalio/activity";
import { addAmounts, countAmounts, noAmounts } from "../src/domain/erase-run.ts";
import { BackupError } from "../src/domain/errors.ts";
import { describeLock } from "../src/repository/erasure.ts";
import { wrappedKeysPrefix } from "../src/repository/names.ts";
import { certifyErasure, outcomeOf } from "./certify-erasure.ts";
import type { ActivityDependencies } from "./dependencies.ts";
import type { EraseActivities, EraseStep } from "./erase-contract.ts";
import { forgetUndo } from "./forget-undo.ts";
import { beatWhile } from "./heartbeat.ts";

type Dependencies = Pick<ActivityDependencies, "repository" | "erasures" | "openRestoreTarget" | "endSchedules">;

const namedLocks = 1_000;

export function createEraseActivities(dependencies: Dependencies): EraseActivities {
  const { repository, erasures } = dependencies;
  const storeOf = ({ organizationId }: EraseStep) => repository.erasure(organizationId);
  /** Whoever lost the lease stops before it removes anything. */
  const alone = async (step: EraseStep): Promise<void> => await erasures.extendLease(step);

  return {
    inspectErasure: (step) =>
      beatWhile(
        () => ({ stage: "inspect" }),
        async () => {
          await erasures.assertNoHold(step.organizationId);
          const row = await erasures.readErasure(step);
          await refuseLocked(dependencies, step, row.leaveLocked);
          const isDone = row.status === "erased" && countAmounts(await storeOf(step).count()) === 0;
          return { done: isDone ? outcomeOf(row) : null };
        },
      ),

    async raiseTombstone(step) {
      await alone(step);
      const { orderedAt } = await erasures.readErasure(step);
      if (orderedAt === null) throw new BackupError("Internal", "An erasure that was not ordered went on.");
      await storeOf(step).writeTombstone({ erasureId: step.erasureId, orderedAt });
    },

    destroyKeys: (step) =>
      beatWhile(
        () => ({ stage: "keys" }),
        async () => {
          await alone(step);
          const store = storeOf(step);
          const keyIds = await store.listKeyIds();
          await erasures.recordKeys(step, { keyIds, amounts: await store.countKeys() });
          await store.destroyKeys();
          await erasures.recordKeysDestroyed(step);
          return { keys: keyIds.length };
        },
      ),

    countStored: (step) =>
      beatWhile(
        () => ({ stage: "count" }),
        async () => await erasures.recordAmounts(step, await storeOf(step).count()),
      ),

    deleteStored(step) {
      let removed = noAmounts;
      return beatWhile(
        () => ({ stage: "delete", ...removed }),
        async () => {
          const { cancellationSignal } = Context.current();
          const kept = await storeOf(step).deleteAll(async (page) => {
            cancellationSignal.throwIfAborted();
            await alone(step);
            removed = addAmounts(removed, page);
          });
          await erasures.recordRemaining(step, kept);
          return { kept: kept.length };
        },
      );
    },

    forgetUndo: (step) =>
      beatWhile(
        () => ({ stage: "undo logs" }),
        async () => await forgetUndo(dependencies, step),
      ),

    async endSchedules({ organizationId }) {
      await dependencies.endSchedules({ organizationId, ...(await erasures.listSchedules(organizationId)) });
    },

    forgetRows: (step) =>
      beatWhile(
        () => ({ stage: "control tables" }),
        async () => await erasures.forgetOrganization(step),
      ),

    certifyErasure: (step) =>
      beatWhile(
        () => ({ stage: "certify" }),
        async () => await certifyErasure(dependencies, step),
      ),
  };
}

/** @throws ObjectLocked */
async function refuseLocked(
  { repository }: Dependencies,
  { organizationId }: EraseStep,
  leaveLocked: boolean,
): Promise<void> {
  const locks = await repository.erasure(organizationId).listLocks(namedLocks);
  const key = locks.find((lock) => lock.key.startsWith(wrappedKeysPrefix(organizationId)));
  const first = key ?? locks[0];
  if (first === undefined || (leaveLocked && key === undefined)) return;
  const others = locks.length - 1;
  throw new BackupError(
    "ObjectLocked",
    `${first.key} can't be removed: ${describeLock(first)}${others > 0 ? `, and ${others === namedLocks - 1 ? "at least " : ""}${others} more like it` : ""}. Nothing was erased. ${
      key === undefined
        ? "Wait for the locks to end, or destroy the key now and leave what is locked, unreadable (--leave-locked)."
        : "A locked key can't be destroyed: wait for its lock to end, and exempt organizations/*/keys/ from locks."
    }`,
    { object: first.key, until: first.until, locks: locks.length },
  );
}

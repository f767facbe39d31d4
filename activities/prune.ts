// Retention on one organization's part of the store; src/repository/prune-vault.ts does it, the control tables say who may.
// Both steps can be repeated, and stopped anywhere: FORMAT.md, "Removing".
import { Context } from "@temporalio/activity";
import type { ReleasedBackups, SweptStore } from "../src/domain/prune-run.ts";
import { judgeBackups } from "../src/domain/retention.ts";
import { describeStored, newestKnown } from "../src/domain/retention-facts.ts";
import { graceMs, planRelease, readStoredState, sweepVault } from "../src/repository/prune-vault.ts";
import type { ActivityDependencies } from "./dependencies.ts";
import { beatWhile } from "./heartbeat.ts";
import type { PruneActivities } from "./prune-contract.ts";

type Dependencies = Pick<ActivityDependencies, "repository" | "retention">;

export async function releaseBackups(
  { repository, retention }: Dependencies,
  { organizationId, fencingToken, order }: Parameters<PruneActivities["releaseBackups"]>[0],
): Promise<ReleasedBackups> {
  return await beatWhile(
    () => ({ stage: "release" }),
    async () => {
      const facts = await retention.readFacts(organizationId);
      const { policies, legalHold } = facts;
      if (legalHold !== null) return { kept: facts.backups.length, released: [], legalHold: true };
      const vault = await repository.openVault(organizationId);
      const state = await readStoredState(vault, {
        forgetMissing: order.forgetMissing,
        newestKnown: newestKnown(facts),
      });
      const nowMs = Date.now();
      const judged = judgeBackups({
        backups: describeStored(state.manifests, facts),
        policies,
        legalHold,
        nowMs,
      });
      const going = judged.filter(({ keptBy }) => keptBy.length === 0).map(({ backup }) => backup.sequence);
      const released = await retention.claimReleases({ organizationId, fencingToken }, going);
      const { record } = planRelease(state, released, { nowMs, fencingToken });
      if (record !== null) await vault.releases.append(record);
      const listed = state.manifests.map(({ sequence }) => sequence).filter((each) => !released.includes(each));
      await retention.recordReleases(organizationId, listed);
      return { kept: listed.length, released, legalHold: false };
    },
  );
}

export async function sweepStore(
  { repository, retention }: Dependencies,
  { organizationId, fencingToken, order }: Parameters<PruneActivities["sweepStore"]>[0],
): Promise<SweptStore> {
  const { cancellationSignal } = Context.current();
  return await beatWhile(
    () => ({ stage: "sweep" }),
    async () => {
      const vault = await repository.openVault(organizationId);
      const { nextDueMs, ...swept } = await sweepVault(vault, {
        nowMs: Date.now(),
        graceMs: order.graceMs ?? graceMs,
        assertMayGoOn: async () => {
          cancellationSignal.throwIfAborted();
          await retention.assertMayRemove({ organizationId, fencingToken });
        },
      });
      return { ...swept, nextDueAt: nextDueMs === null ? null : new Date(nextDueMs).toISOString() };
    },
  );
}

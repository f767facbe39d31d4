// Histories for test/replay of runs that come by a patch (`patched(…)` in workflows/), each way that leads there. Those from
// after the patch are recorded here; those from before it by these two files in a checkout of the commit before the patch:
// `node scripts/record-history.ts before-audit-skips`. Run by record-history.ts.
import { randomUUID } from "node:crypto";
import { applyPolicySchedule, triggerPolicy } from "../src/client/policy-schedules.ts";
import { cancelBackup, followBackup } from "../src/client/start-backup.ts";
import { followRestore, followRollback, requestRestore, requestRollback } from "../src/client/start-restore.ts";
import { deletePolicy, putPolicy } from "../src/control/policies.ts";
import { setDependencies } from "../src/control/policy-dependencies.ts";
import { createRestore } from "../src/control/restores.ts";
import { policyDefaults, type Policy } from "../src/domain/policy.ts";
import {
  restoreDefaults,
  rollbackWorkflowId,
  type RestoreOrder,
  type RollbackOrder,
} from "../src/domain/restore-run.ts";
import { activityPoints } from "../test/support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../test/support/backup-rig.ts";
import { eventually } from "../test/support/eventually.ts";
import type { Keep } from "./record-restores.ts";

type KeepOf = (rig: BackupRig) => Keep;

/** @param when "before" or "after" */
export const recordPatched: Record<string, (when: string, keepOf: KeepOf) => Promise<void>> = {
  retention: (when, keepOf) =>
    onRig({}, async (rig) => {
      await rig.startWorker();
      const policy = await makePolicy(rig, rig.organizationIds[0] as string);
      await keepOf(rig)(`${when}-retention-run`, ...(await runPolicy(rig, policy)));
    }),

  "audit-skips": (when, keepOf) =>
    onRig({ organizations: 4 }, async (rig) => {
      const [gone = "", busy = "", waiting = "", refused = ""] = rig.organizationIds;
      let isPaused = false;
      await rig.startWorker({
        activityInterceptors: [
          activityPoints({
            pauses: [{ organizationId: busy, activity: "uploadBatch", when: "before" }],
            failures: [
              { organizationId: waiting, activity: "sealBackup", when: "before", code: "StorageAccessDenied" },
              { organizationId: refused, activity: "authorizeBackup", when: "before", code: "OrganizationBusy" },
            ],
            onReached: ({ activity }) => void (isPaused ||= activity === "uploadBatch"),
          }),
        ],
      });
      const keep = keepOf(rig);

      const deleted = await makePolicy(rig, gone);
      await deletePolicy(rig.control, deleted.id); // its schedule is still there
      await keep(`${when}-audit-skips-policy-gone`, ...(await runPolicy(rig, deleted)));

      const paused = await rig.request(busy);
      await eventually("the backup to hold the organization", async () => isPaused);
      await keep(`${when}-audit-skips-busy`, ...(await runPolicy(rig, await makePolicy(rig, busy))));
      await cancelBackup(rig.client, paused);
      await followBackup(rig.client, paused).catch(() => {}); // it is meant to end so

      const first = await makePolicy(rig, waiting, "first");
      await runPolicy(rig, first); // its backup is meant to fail
      const second = await makePolicy(rig, waiting, "second");
      await setDependencies(rig.control, second.id, [first.id]);
      await keep(`${when}-audit-skips-prerequisite-failed`, ...(await runPolicy(rig, second)));

      await keep(`${when}-audit-skips-refused`, ...(await runPolicy(rig, await makePolicy(rig, refused))));
    }),

  "audit-rollbacks": (when, keepOf) =>
    onRig({}, async (rig) => {
      const worker = await rig.startWorker();
      const [organizationId = ""] = rig.organizationIds;
      await rig.backUp(organizationId);
      const change = async (word: string): Promise<void> =>
        void (await rig.database.query("UPDATE guests SET notes = $2 WHERE organization_id = $1", [
          organizationId,
          word,
        ]));
      await change("spoilt");
      const order = await restore(rig, organizationId);
      await change("changed since");
      const refuse = async (name: string): Promise<void> => {
        await requestRollback(rig.client, order);
        await followRollback(rig.client, order).catch(() => {}); // it is meant to be refused
        await keepOf(rig)(`${when}-audit-rollbacks-${name}`, rollbackWorkflowId(order));
      };
      await refuse("rows-changed");

      await worker.stop();
      let isPaused = false;
      const pauses = [{ organizationId, activity: "uploadBatch", when: "before" }] as const;
      const onReached = (): void => void (isPaused = true);
      await rig.startWorker({ activityInterceptors: [activityPoints({ pauses, onReached })] });
      const paused = await rig.request(organizationId);
      await eventually("the backup to hold the organization", async () => isPaused);
      await refuse("busy");
      await cancelBackup(rig.client, paused);
      await followBackup(rig.client, paused).catch(() => {}); // it is meant to end so
    }),

  "read-files-ahead": (when, keepOf) =>
    onRig({ photosPerWedding: 12, photoBytes: 40_000 }, async (rig) => {
      // An estimate of rows that fits one batch, and files that make it several.
      await rig.startWorker({ batchBytes: 128 * 1024 });
      const [organizationId = ""] = rig.organizationIds;
      const { backupId } = await rig.backUp(organizationId);
      await keepOf(rig)(`${when}-read-files-ahead-backup`, `backup/${organizationId}`, backupId);
    }),
};

async function onRig(size: object, record: (rig: BackupRig) => Promise<void>): Promise<void> {
  const rig = await createBackupRig({
    size: { organizations: 1, weddingsPerOrganization: 1, guestsPerWedding: 6, messagesPerWedding: 4, ...size },
  });
  try {
    await record(rig);
  } finally {
    await rig.close();
  }
}

async function makePolicy(rig: BackupRig, organizationId: string, name = "nightly"): Promise<Policy> {
  const policy = await putPolicy(rig.control, {
    ...policyDefaults,
    organizationId,
    name,
    cron: "0 3 1 1 *",
    dataSets: null,
    paused: false,
  });
  await applyPolicySchedule(rig.client, policy);
  return policy;
}

async function runPolicy(rig: BackupRig, policy: Policy): Promise<[workflowId: string, runId: string]> {
  await triggerPolicy(rig.client, policy);
  const query = `WorkflowType = 'runBackupPolicy' AND PolicyId = '${policy.id}' AND ExecutionStatus != 'Running'`;
  return await eventually("the policy's run to end", async () => {
    for await (const { workflowId, runId } of rig.client.workflow.list({ query })) return [workflowId, runId];
    return null;
  });
}

async function restore(rig: BackupRig, organizationId: string): Promise<RollbackOrder> {
  const order: RestoreOrder = {
    ...restoreDefaults,
    restoreId: randomUUID(),
    organizationId,
    targetOrganizationId: organizationId,
    approval: "given",
    choice: { by: "sequence", sequence: 1 },
    requestedBy: "recorder",
  };
  await createRestore(rig.control, order, { records: null, targetSealed: null });
  await requestRestore(rig.client, order);
  await followRestore(rig.client, order);
  return { ...order, partial: false };
}

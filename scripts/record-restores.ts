// The histories of restores, rollbacks and verifications for test/replay: every way that one can end, with the Updates of
// people in between. Run by record-history.ts.
import { randomUUID } from "node:crypto";
import {
  approveRestore,
  cancelRestore,
  decideConflicts,
  decideRemainingConflicts,
  finishDryRun,
  followRestore,
  followRollback,
  readRestoreProgress,
  requestRestore,
  requestRollback,
} from "../src/client/start-restore.ts";
import { followVerification, requestVerification } from "../src/client/start-verification.ts";
import { applyPolicySchedule } from "../src/client/policy-schedules.ts";
import { createRestore } from "../src/control/restores.ts";
import { putPolicy } from "../src/control/policies.ts";
import { policyDefaults, verificationScheduleIdOf } from "../src/domain/policy.ts";
import {
  restoreDefaults,
  restoreWorkflowId,
  rollbackWorkflowId,
  type RestoreOrder,
} from "../src/domain/restore-run.ts";
import { verifyWorkflowId } from "../src/domain/verify-run.ts";
import type { BackupRig } from "../test/support/backup-rig.ts";
import { eventually } from "../test/support/eventually.ts";

export type Keep = (name: string, workflowId: string, runId?: string) => Promise<void>;

/** Of `failing` the last look at the restored rows fails. */
export async function recordRestores(
  rig: BackupRig,
  keep: Keep,
  { organizationId, failing }: { organizationId: string; failing: string },
): Promise<void> {
  const { client, database } = rig;
  for (const id of [organizationId, failing]) await rig.backUp(id);

  const spoil = async (rows: number, id = organizationId): Promise<void> =>
    void (await database.query(
      "UPDATE guests SET notes = 'spoilt ' || now() WHERE id IN (SELECT id FROM guests WHERE organization_id = $1 ORDER BY id LIMIT $2)",
      [id, rows],
    ));
  const start = async (asked: Partial<RestoreOrder> = {}): Promise<RestoreOrder> => {
    const id = asked.organizationId ?? organizationId;
    const order: RestoreOrder = {
      ...restoreDefaults,
      restoreId: randomUUID(),
      organizationId: id,
      targetOrganizationId: id,
      approval: "given",
      choice: { by: "sequence", sequence: 1 },
      requestedBy: "recorder",
      ...asked,
    };
    await createRestore(rig.control, order, { records: null, targetSealed: null });
    await requestRestore(client, order);
    return order;
  };
  const waitsFor = (order: RestoreOrder, what: string) =>
    eventually(`the restore to wait for ${what}`, async () => {
      const progress = await readRestoreProgress(client, order);
      return progress?.waiting?.for === what && progress;
    });
  const keepRestore = async (name: string, order: RestoreOrder): Promise<void> => {
    await followRestore(client, order).catch(() => {}); // some are meant to fail
    await keep(name, restoreWorkflowId(order));
  };

  await spoil(5);
  const applied = await start();
  await keepRestore("restore-applied", applied);
  for (const name of ["rollback-refused", "rollback-done"]) {
    if (name === "rollback-refused") await spoil(1);
    const rollback = { ...applied, partial: name === "rollback-done" };
    await requestRollback(client, rollback);
    await followRollback(client, rollback).catch(() => {}); // the first one is meant to be refused
    await keep(name, rollbackWorkflowId(rollback));
  }

  const dryRun = await start({ dryRun: true });
  await waitsFor(dryRun, "a look at the dry run");
  await finishDryRun(client, dryRun);
  await keepRestore("restore-dry-run", dryRun);

  await spoil(4);
  const prompt = await start({ strategy: "prompt", approval: "ask" });
  await waitsFor(prompt, "decisions");
  const target = { table: "public.guests", decision: "take backup" } as const;
  await decideConflicts(client, prompt, [{ number: 1, decision: "keep live" }]);
  await decideRemainingConflicts(client, prompt, target);
  await spoil(2); // they are asked again
  await approveRestore(client, prompt, "recorder");
  await eventually("two rows to be asked again", async () => {
    const progress = await readRestoreProgress(client, prompt);
    return progress?.waiting?.for === "decisions" && progress.askedAgain > 0;
  });
  await decideRemainingConflicts(client, prompt, { table: null, decision: "merge" });
  await keepRestore("restore-prompt", prompt);

  await spoil(3);
  const byDefault = { strategy: "prompt", defaultDecision: "take backup", waitMs: 3_000 } as const;
  await keepRestore("restore-decided-by-default", await start(byDefault));
  await keepRestore("restore-not-approved", await start({ approval: "ask", waitMs: 1_000 }));

  const cancelled = await start({ approval: "ask" });
  await waitsFor(cancelled, "approval");
  await cancelRestore(client, cancelled);
  await keepRestore("restore-cancelled", cancelled);

  await spoil(3, failing);
  await keepRestore("restore-rolled-back", await start({ organizationId: failing }));

  const proven = await requestVerification(client, {
    organizationId,
    choice: { by: "latest" },
    level: "restore",
    requestedBy: "recorder",
  });
  await followVerification(client, proven);
  await keep("verify-restore", verifyWorkflowId(proven));
  await keep("verify-policy", ...(await runVerification(rig, organizationId)));
}

async function runVerification(rig: BackupRig, organizationId: string): Promise<[workflowId: string, runId: string]> {
  const policy = await putPolicy(rig.control, {
    ...policyDefaults,
    organizationId,
    name: "proofs",
    cron: "0 3 1 1 *",
    dataSets: null,
    verification: { cron: "0 4 1 1 *", level: "consistency", nights: 7 },
    paused: false,
  });
  await applyPolicySchedule(rig.client, policy);
  await rig.client.schedule.getHandle(verificationScheduleIdOf(policy)).trigger();
  const query = `WorkflowType = 'runVerificationPolicy' AND PolicyId = '${policy.id}'`;
  return await eventually("the policy's verification to end", async () => {
    for await (const { workflowId, runId, status } of rig.client.workflow.list({ query }))
      if (status.name === "COMPLETED") return [workflowId, runId] as [string, string];
    return null;
  });
}

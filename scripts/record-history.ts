// Records histories for test/replay: `node scripts/record-history.ts [backups|restores|erasures|after-PATCH]`. Run it when a
// change of a workflow is meant to leave running ones behind, or for a new patch (record-patched.ts); until then the kept
// histories must replay as they are.
import { mkdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import type { Client } from "@temporalio/client";
import proto from "@temporalio/proto";
import { applyPolicySchedule, triggerPolicy } from "../src/client/policy-schedules.ts";
import { cancelBackup, followBackup } from "../src/client/start-backup.ts";
import { putPolicy } from "../src/control/policies.ts";
import { policyDefaults } from "../src/domain/policy.ts";
import { activityPoints, type ActivityPoint } from "../test/support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../test/support/backup-rig.ts";
import startServers from "../test/support/global-setup.ts";
import stopServers from "../test/support/global-teardown.ts";
import { waitUntil } from "../test/support/wait-until.ts";
import { recordErasures } from "./record-erasures.ts";
import { recordPatched } from "./record-patched.ts";
import { recordRestores, type Keep } from "./record-restores.ts";

const folder = fileURLToPath(new URL("../test/replay/histories/", import.meta.url));
const root = fileURLToPath(new URL("../", import.meta.url));

const [, , only] = process.argv;
const [, when, patch] = /^(before|after)-(.+)$/.exec(only ?? "") ?? [];
await startServers();
try {
  if (when === undefined || patch === undefined) await recordRuns();
  else if (recordPatched[patch] === undefined) throw new Error(`record-patched.ts does not know ${patch}`);
  else await recordPatched[patch](when, keepOf);
} finally {
  await stopServers();
}

async function recordRuns(): Promise<void> {
  const rig = await createBackupRig({ size: { organizations: 9, guestsPerWedding: 6, messagesPerWedding: 4 } });
  const keep = keepOf(rig);
  try {
    const [finished, failed, cancelled, restarted, scheduled, restored = "", failing = "", erased = "", held = ""] =
      rig.organizationIds;
    const reached: ActivityPoint[] = [];
    await rig.startWorker({
      activityInterceptors: [
        activityPoints({
          pauses: [{ organizationId: cancelled ?? "", activity: "uploadBatch", when: "before" }],
          failures: [
            { organizationId: failed ?? "", activity: "sealBackup", when: "before", code: "StorageAccessDenied" },
            {
              organizationId: restarted ?? "",
              activity: "holdSnapshot",
              when: "before",
              code: "SnapshotLost",
              once: true,
            },
            { organizationId: failing, activity: "checkRestored", when: "before", code: "RestoreInvalid" },
          ],
          onReached: (point) => reached.push(point),
        }),
      ],
    });
    const isAsked = (what: string): boolean => only === undefined || only === what;
    const forBackups = [finished, failed, cancelled, restarted, scheduled] as string[];
    if (isAsked("backups")) await recordBackups(rig, keep, forBackups, reached);
    if (isAsked("restores")) await recordRestores(rig, keep, { organizationId: restored, failing });
    if (isAsked("erasures")) await recordErasures(rig, keep, { erased, held });
  } finally {
    await rig.close();
  }
}

async function recordBackups(
  rig: BackupRig,
  keep: Keep,
  organizationIds: readonly string[],
  reached: readonly ActivityPoint[],
): Promise<void> {
  const [finished = "", failed = "", cancelled = "", restarted = "", scheduled = ""] = organizationIds;
  await keep("backup-finished", `backup/${finished}`, (await rig.backUp(finished)).backupId);
  await keep("backup-restarted", `backup/${restarted}`, (await rig.backUp(restarted)).backupId);

  const failing = await rig.request(failed);
  await followBackup(rig.client, failing).catch(() => {}); // it is meant to
  await keep("backup-failed", failing.workflowId, failing.backupId);

  const paused = await rig.request(cancelled);
  await waitUntil("the upload waits", () => reached.length === 1);
  await keep("policy-skipped", ...(await runPolicy(rig, cancelled)));
  await cancelBackup(rig.client, paused);
  await followBackup(rig.client, paused).catch(() => {}); // it is meant to
  await keep("backup-cancelled", paused.workflowId, paused.backupId);

  await keep("policy-run", ...(await runPolicy(rig, scheduled)));
}

async function runPolicy(rig: BackupRig, organizationId: string): Promise<[workflowId: string, runId: string]> {
  const policy = await putPolicy(rig.control, {
    ...policyDefaults,
    organizationId,
    name: "nightly",
    cron: "0 3 1 1 *",
    dataSets: null,
    paused: false,
  });
  await applyPolicySchedule(rig.client, policy);
  await triggerPolicy(rig.client, policy);
  const query = `WorkflowType = 'runBackupPolicy' AND PolicyId = '${policy.id}'`;
  let run: [string, string] | null = null;
  await waitUntil("the policy's run ends", async () => {
    for await (const { workflowId, runId, status } of rig.client.workflow.list({ query }))
      if (status.name === "COMPLETED") run = [workflowId, runId];
    return run !== null;
  });
  return run as unknown as [string, string];
}

function keepOf({ client }: BackupRig): Keep {
  return (name, workflowId, runId) => keepHistory(client, name, workflowId, runId);
}

async function keepHistory(client: Client, name: string, workflowId: string, runId?: string): Promise<void> {
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  // The SDK's own historyToJSON fails (1.24: "type must be a Type"). Long numbers, enums and bytes as text come back whole.
  const plain = proto.temporal.api.history.v1.History.toObject(history as never, {
    longs: String,
    enums: String,
    bytes: String,
  });
  const kept = { workflowId, history: withoutMachine(plain) };
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}${name}.json`, `${JSON.stringify(kept, null, 2)}\n`);
  process.stderr.write(`${name}: ${history.events?.length} events\n`);
}

/** What tells where it was recorded is no part of a history's meaning: host names, stacks, and both inside payloads. */
function withoutMachine(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll(hostname(), "recorder").replaceAll(root, "/project/");
  if (Array.isArray(value)) return value.map(withoutMachine);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== "stackTrace")
      .map(([name, inner]) => {
        if (name !== "data" || typeof inner !== "string") return [name, withoutMachine(inner)];
        const text = withoutMachine(Buffer.from(inner, "base64").toString("latin1")) as string;
        return [name, Buffer.from(text, "latin1").toString("base64")];
      }),
  );
}

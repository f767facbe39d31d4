// The restore's own logic on a real Temporal server: what it waits for, who may answer what, what a deadline, a
// cancellation and a failure leave behind. The activities are fakes; the real ones are tested in test/integration.
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { Client } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkflowBundle } from "@temporalio/worker";
import { connectClient, type ConnectedClient, type TemporalAddress } from "../../src/client/connect.ts";
import { ensureSearchAttributes } from "../../src/client/search-attributes.ts";
import {
  approveRestore,
  cancelRestore,
  decideConflicts,
  decideRemainingConflicts,
  finishDryRun,
  followRestore,
  readRestoreProgress,
  requestRestore,
} from "../../src/client/start-restore.ts";
import { taskQueues } from "../../src/domain/backup-request.ts";
import { restoreDefaults, restoreWorkflowId, type RestoreOrder } from "../../src/domain/restore-run.ts";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { loadWorkflowBundle } from "../../src/worker/bundle-workflows.ts";
import { conflicts, FakeRestore, type ActivityName } from "../support/fake-restore-activities.ts";
import { eventually } from "../support/eventually.ts";
import { createNamespace } from "../support/temporal-namespace.ts";

let temporal: TemporalAddress;
let connected: ConnectedClient;
let client: Client;
let connection: NativeConnection;
let workflowBundle: WorkflowBundle;
Runtime.install({ logger: new DefaultLogger("ERROR") });
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const address = process.env["TEST_TEMPORAL_ADDRESS"] ?? "";
  temporal = { address, namespace: `test-${randomUUID()}`, apiKey: null, tls: null };
  await createNamespace(address, temporal.namespace);
  connected = await connectClient(temporal);
  ({ client } = connected);
  await ensureSearchAttributes(client, temporal.namespace);
  workflowBundle = await loadWorkflowBundle(cacheFolder(process.env));
  connection = await NativeConnection.connect({ address });
});
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
afterAll(async () => {
  await connection.close();
  await connected.close();
});

async function startFakeWorker(fake: FakeRestore): Promise<() => Promise<void>> {
  const common = { connection, namespace: temporal.namespace, activities: { ...fake.activities() } };
  const workers = await Promise.all([
    Worker.create({ ...common, taskQueue: taskQueues.control, workflowBundle, maxHeartbeatThrottleInterval: "1s" }),
    Worker.create({ ...common, taskQueue: taskQueues.restores, maxHeartbeatThrottleInterval: "1s" }),
  ]);
  const runs = workers.map((worker) => worker.run());
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    for (const worker of workers) worker.shutdown();
    await Promise.all(runs);
  };
  stops.push(stop);
  return stop;
}

async function start(asked: Partial<RestoreOrder>): Promise<RestoreOrder> {
  const organizationId = randomUUID();
  const order: RestoreOrder = {
    ...restoreDefaults,
    restoreId: randomUUID(),
    organizationId,
    targetOrganizationId: organizationId,
    preRestoreBackup: false,
    requestedBy: "test",
    ...asked,
  };
  await requestRestore(client, order);
  return order;
}

const waitsFor = (order: RestoreOrder, what: string) =>
  eventually(`the restore to wait for ${what}`, async () => {
    const progress = await readRestoreProgress(client, order);
    return progress?.waiting?.for === what && progress.waiting;
  });

const outcomeOf = (order: RestoreOrder) =>
  followRestore(client, order).then(
    (outcome) => ({ outcome, code: null, message: "" }),
    (error: { code: string; message: string }) => ({ outcome: null, code: error.code, message: error.message }),
  );

function expectNothingLeft(fake: FakeRestore): void {
  expect({ staging: fake.hasStaging, lease: fake.lease }).toEqual({ staging: false, lease: null });
}

test("nothing is applied before it is approved, and the lease is free while people think", async () => {
  const fake = new FakeRestore();
  await startFakeWorker(fake);
  const order = await start({});
  await waitsFor(order, "approval");
  expect(fake.lease).toBeNull();
  expect(fake.called("applyRestore")).toBe(false);
  await eventually("the Web UI's filter to find it", async () => {
    const query = `AwaitingDecision = 'approval' AND WorkflowId = '${restoreWorkflowId(order)}'`;
    return (await client.workflow.count(query)).count === 1;
  });
  await approveRestore(client, order, "ada");
  const { outcome } = await outcomeOf(order);
  expect(outcome).toMatchObject({ status: "applied", decidedByDefault: 0, files: { created: 1 } });
  expect(fake.isApplied).toBe(true);
  expectNothingLeft(fake);
});

test("a dry run writes nothing, can be looked at until it is finished, and leaves no staging", async () => {
  const fake = new FakeRestore();
  await startFakeWorker(fake);
  const order = await start({ dryRun: true });
  await waitsFor(order, "a look at the dry run");
  expect(fake.hasStaging).toBe(true);
  await expect(approveRestore(client, order, "ada")).rejects.toMatchObject({ code: "DecisionInvalid" });
  await finishDryRun(client, order);
  const { outcome } = await outcomeOf(order);
  expect(outcome).toMatchObject({ status: "previewed", applied: [], differences: [{ missing: 4 }, { missing: 0 }] });
  expect(fake.called("applyRestore")).toBe(false);
  expectNothingLeft(fake);
});

test("a dry run that nobody finishes ends by itself", async () => {
  const fake = new FakeRestore();
  await startFakeWorker(fake);
  const order = await start({ dryRun: true, previewMs: 200 });
  expect((await outcomeOf(order)).outcome).toMatchObject({ status: "previewed" });
  expectNothingLeft(fake);
});

test("decisions are checked before they enter history, counted, and may come over a restart of the worker", async () => {
  const fake = new FakeRestore();
  const stop = await startFakeWorker(fake);
  const order = await start({ strategy: "prompt", approval: "given" });
  expect(await waitsFor(order, "decisions")).toMatchObject({ undecided: conflicts });
  const take = (number: number) => ({ number, decision: "take backup" as const });
  const refused: [string, Parameters<typeof decideConflicts>[2]][] = [
    ["none", []],
    ["too many", Array.from({ length: 501 }, (_, index) => take(index + 1))],
    ["out of range", [take(11)]],
    ["zero", [take(0)]],
    ["twice", [take(1), take(1)]],
    ["no such decision", [{ number: 1, decision: "guess" as never }]],
  ];
  for (const [why, decisions] of refused) {
    const code = await decideConflicts(client, order, decisions).catch((error: { code: string }) => error.code);
    expect([why, code]).toEqual([why, "DecisionInvalid"]);
  }
  expect(fake.called("storeDecisions")).toBe(false);

  const first = await decideConflicts(client, order, [take(1), take(2)], "batch-1");
  const again = await decideConflicts(client, order, [take(1), take(2)], "batch-1");
  expect([first, again]).toEqual([{ undecided: 3 }, { undecided: 3 }]);
  expect(fake.calls.filter((call) => call.name === "storeDecisions")).toHaveLength(1);

  await stop();
  await startFakeWorker(fake);
  expect(await decideRemainingConflicts(client, order, { table: null, decision: "keep live" })).toEqual({
    undecided: 0,
  });
  expect((await outcomeOf(order)).outcome).toMatchObject({ status: "applied", decidedByDefault: 0 });
  expectNothingLeft(fake);
});

test("a row that changed after it was shown is asked again", async () => {
  const fake = new FakeRestore();
  fake.askAgain = [2];
  await startFakeWorker(fake);
  const order = await start({ strategy: "prompt", approval: "given" });
  await waitsFor(order, "decisions");
  await decideRemainingConflicts(client, order, { table: null, decision: "take backup" });
  const again = await eventually("the rows to be asked again", async () => {
    const progress = await readRestoreProgress(client, order);
    return progress?.askedAgain === 2 && progress.waiting;
  });
  expect(again).toMatchObject({ for: "decisions", undecided: 2 });
  await decideRemainingConflicts(client, order, { table: null, decision: "take backup" });
  expect((await outcomeOf(order)).outcome).toMatchObject({ status: "applied" });
  expectNothingLeft(fake);
});

test("at the deadline the default holds, the result says so, and rows that change then are decided by it, too", async () => {
  const fake = new FakeRestore();
  fake.askAgain = [1];
  await startFakeWorker(fake);
  const order = await start({ strategy: "prompt", approval: "given", defaultDecision: "keep live", waitMs: 1_500 });
  const { outcome } = await outcomeOf(order);
  expect(outcome).toMatchObject({ status: "applied", decidedByDefault: conflicts + 1 });
  expect(outcome?.notes.join()).toContain("nobody decided 6 conflicts in time: “keep live” held");
  expect(fake.inputOf("applyRestore")).toMatchObject({ defaultDecision: "keep live" });
  expectNothingLeft(fake);
});

test.each([
  ["no default", { strategy: "prompt", approval: "given" }, "decided all conflicts"],
  ["no approval", { strategy: "overwrite", approval: "ask" }, "approved it"],
  [
    "a default, but no approval",
    { strategy: "prompt", approval: "ask", defaultDecision: "take backup" },
    "approved it",
  ],
] as const)("at the deadline with %s nothing is restored", async (_, asked, missing) => {
  const fake = new FakeRestore();
  await startFakeWorker(fake);
  const { code, message } = await outcomeOf(await start({ ...asked, waitMs: 300 }));
  expect([code, message]).toEqual(["Cancelled", `Nobody ${missing} in time; nothing was restored.`]);
  expect(fake.called("applyRestore")).toBe(false);
  expect(fake.inputOf("failRestore")).toMatchObject({ status: "cancelled" });
  expectNothingLeft(fake);
});

test("after the answer, a backup that has the lease meanwhile is waited for", async () => {
  const fake = new FakeRestore();
  await startFakeWorker(fake);
  const order = await start({});
  await waitsFor(order, "approval");
  fake.failures.set("openRestore", { code: "OrganizationBusy", message: "another operation" });
  await approveRestore(client, order, "ada");
  await eventually(
    "the lease to be asked for twice in vain",
    async () => fake.calls.filter((call) => call.name === "openRestore").length > 2,
  );
  fake.failures.clear();
  expect((await outcomeOf(order)).outcome).toMatchObject({ status: "applied" });
  expectNothingLeft(fake);
});

test("a restore that can't have the lease fails at once and touches nothing", async () => {
  const fake = new FakeRestore();
  fake.failures.set("openRestore", { code: "OrganizationBusy", message: "another operation" });
  await startFakeWorker(fake);
  expect((await outcomeOf(await start({}))).code).toBe("OrganizationBusy");
  expect(fake.called("chooseBackup")).toBe(false);
});

const stages: readonly ActivityName[] = [
  "chooseBackup",
  "stageRestore",
  "compareRestore",
  "applyRestore",
  "putBackFiles",
  "checkRestored",
];

test.each(stages)("cancelled in %s, the old state stays and nothing is left", async (stage) => {
  const fake = new FakeRestore();
  const release = fake.holdAt(stage);
  await startFakeWorker(fake);
  const order = await start({ approval: "given" });
  await eventually(`${stage} to begin`, async () => fake.called(stage));
  await cancelRestore(client, order);
  release();
  expect((await outcomeOf(order)).code).toBe("Cancelled");
  expect(fake.isApplied).toBe(false);
  const wasApplied = ["applyRestore", "putBackFiles", "checkRestored"].includes(stage);
  expect(fake.inputOf("failRestore")).toMatchObject({ status: wasApplied ? "rolled_back" : "cancelled" });
  expectNothingLeft(fake);
});

test("cancelled while it waits, nothing is left", async () => {
  const fake = new FakeRestore();
  await startFakeWorker(fake);
  const order = await start({});
  await waitsFor(order, "approval");
  await cancelRestore(client, order);
  expect((await outcomeOf(order)).code).toBe("Cancelled");
  expect(fake.inputOf("failRestore")).toMatchObject({ status: "cancelled" });
  expectNothingLeft(fake);
});

test("a failure after the rows were applied rolls them back; staging goes first, files after rows", async () => {
  const fake = new FakeRestore();
  fake.failures.set("checkRestored", { code: "RestoreTargetRefused", message: "no right." });
  await startFakeWorker(fake);
  expect((await outcomeOf(await start({ approval: "given" }))).code).toBe("RestoreTargetRefused");
  expect(fake.isApplied).toBe(false);
  expect(fake.inputOf("failRestore")).toMatchObject({
    status: "rolled_back",
    message: "no right. What it had written was rolled back.",
  });
  const names = fake.calls.map((call) => call.name);
  expect(names.slice(names.indexOf("checkRestored") + 1)).toEqual([
    "dropStaging",
    "undoRestore",
    "undoFiles",
    "failRestore",
  ]);
  expectNothingLeft(fake);
});

test("where rows changed since, a failed restore stays applied and says so", async () => {
  const fake = new FakeRestore();
  fake.failures.set("checkRestored", { code: "RestoreTargetRefused", message: "no right." });
  fake.failures.set("undoRestore", { code: "RollbackRefused", message: "3 rows changed" });
  await startFakeWorker(fake);
  expect((await outcomeOf(await start({ approval: "given" }))).code).toBe("RestoreTargetRefused");
  const { status, message } = fake.inputOf("failRestore");
  expect(status).toBe("applied");
  expect(message).toContain("It stays applied: rows were changed since");
  expectNothingLeft(fake);
});

test("asking twice for the same restore is one restore", async () => {
  const fake = new FakeRestore();
  await startFakeWorker(fake);
  const order = await start({ approval: "given" });
  await requestRestore(client, order);
  await outcomeOf(order);
  await requestRestore(client, order);
  await outcomeOf(order);
  expect(fake.calls.filter((call) => call.name === "applyRestore")).toHaveLength(1);
});

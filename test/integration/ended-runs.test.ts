// Runs that stand in the way by what the control tables say: which those are, and how one is closed that was ended from
// outside. What is over already stays as it ended.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { BlockingRun } from "../../src/ports/restore-ledger.ts";
import { createControlTables, type ControlTables } from "../support/control-tables.ts";

let database: ControlTables["database"];
let owner: ControlTables["owner"];
let ledgers: ControlTables["ledgers"];
const organizationId = "org";
const id = randomUUID();

beforeAll(async () => {
  ({ database, owner, ledgers } = await createControlTables());
});
beforeEach(() =>
  database.query(
    "DELETE FROM backup.backup_leases; DELETE FROM backup.backup_jobs; DELETE FROM backup.backup_restores; DELETE FROM backup.backup_erasures",
  ),
);
afterAll(async () => {
  await owner?.close();
  await database?.drop();
});

const insertJob = (status: string) =>
  owner.query(
    `INSERT INTO backup.backup_jobs (id, organization_id, trigger, requested_by, status, workflow_id, proof) VALUES ($1, $2, 'cli', 'test', $3, 'backup/org', 'none')`,
    [id, organizationId, status],
  );
const insertRestore = (status: string) =>
  owner.query(
    `INSERT INTO backup.backup_restores (id, organization_id, target_organization_id, workflow_id, requested_by, choice, strategy, live_only, status)
     VALUES ($1, $2, $2, 'restore/org', 'test', '{"by":"latest"}', 'overwrite', 'keep', $3)`,
    [id, organizationId, status],
  );
const insertErasure = (status: string) =>
  owner.query(
    "INSERT INTO backup.backup_erasures (id, organization_id, status, requested_by) VALUES ($1, $2, $3, 'test')",
    [id, organizationId, status],
  );
const hold = (operation: string) =>
  owner.query("INSERT INTO backup.backup_leases VALUES ($2, $3, $1, 1, now() + interval '1 hour')", [
    id,
    organizationId,
    operation,
  ]);
const isLeased = async (): Promise<boolean> => (await owner.query("SELECT 1 FROM backup.backup_leases")).length > 0;
const blocking = (exceptId: string = randomUUID()) => ledgers.restores.listBlockingRuns({ organizationId, exceptId });

const inTheWay: [string, () => Promise<unknown>, object | null][] = [
  [
    "a backup that runs and has the lease",
    () => Promise.all([insertJob("running"), hold("backup")]),
    { kind: "backup", workflowId: "backup/org", isWaiting: false },
  ],
  ["a backup that runs, and lost its lease", () => insertJob("running"), null],
  ["a backup that is over", () => Promise.all([insertJob("completed"), hold("backup")]), null],
  [
    "a restore that runs",
    () => insertRestore("running"),
    { kind: "restore", workflowId: "restore/org", isWaiting: false },
  ],
  [
    "a restore that waits",
    () => insertRestore("waiting"),
    { kind: "restore", workflowId: "restore/org", isWaiting: true },
  ],
  ["a restore that is only asked for", () => insertRestore("requested"), null],
  [
    "an applied restore that is rolled back now",
    () => Promise.all([insertRestore("applied"), hold("rollback")]),
    { kind: "rollback", workflowId: `rollback/org/${id}`, isWaiting: false },
  ],
  ["an applied restore", () => insertRestore("applied"), null],
  [
    "an erasure that is not ordered yet",
    () => Promise.all([insertErasure("requested"), hold("erase")]),
    { kind: "erasure", workflowId: "erase/org", isWaiting: false },
  ],
  [
    "an erasure that was ordered: that goes on to its end",
    () => Promise.all([insertErasure("ordered"), hold("erase")]),
    null,
  ],
];

test.each(inTheWay)("%s", async (_what, make, run) => {
  await make();
  expect(await blocking()).toEqual(run === null ? [] : [{ id, organizationId, ...run }]);
  expect(await blocking(id)).toEqual([]);
  expect(await ledgers.restores.listBlockingRuns({ organizationId: "another", exceptId: randomUUID() })).toEqual([]);
});

describe("closing a run that was ended from outside", () => {
  const close = (kind: BlockingRun["kind"], rows: Parameters<typeof ledgers.restores.closeEndedRun>[1]) =>
    ledgers.restores.closeEndedRun({ kind, id, organizationId, workflowId: "x", isWaiting: false }, rows);
  const endOf = async (table: string) =>
    (
      await owner.query<{ status: string; code: string | null }>(
        `SELECT status, error_code AS code FROM backup.${table}`,
      )
    )[0];

  test.each([
    ["running", { status: "failed", code: "Cancelled" }],
    ["completed", { status: "completed", code: null }],
    ["cancelled", { status: "cancelled", code: null }],
  ])("a backup that is %s", async (status, end) => {
    await insertJob(status);
    await hold("backup");
    await close("backup", "never applied");
    expect([await endOf("backup_jobs"), await isLeased()]).toEqual([end, false]);
  });

  test.each([
    ["running", "never applied", { status: "failed", code: "Cancelled" }],
    ["waiting", "never applied", { status: "failed", code: "Cancelled" }],
    ["requested", "never applied", { status: "failed", code: "Cancelled" }],
    ["running", "applied", { status: "applied", code: "Cancelled" }],
    ["running", "rolled back", { status: "rolled_back", code: "Cancelled" }],
    ["applied", "rolled back", { status: "rolled_back", code: "Cancelled" }],
    ["applied", "never applied", { status: "applied", code: null }],
    ["applied", "applied", { status: "applied", code: null }],
    ["rolled_back", "applied", { status: "rolled_back", code: null }],
    ["failed", "rolled back", { status: "failed", code: null }],
  ] as const)("a restore that is %s, its rows %s", async (status, rows, end) => {
    await insertRestore(status);
    await hold("restore");
    await close("restore", rows);
    expect([await endOf("backup_restores"), await isLeased()]).toEqual([end, false]);
  });

  test("takes no lease from another", async () => {
    await insertJob("running");
    await owner.query("INSERT INTO backup.backup_leases VALUES ($1, 'backup', $2, 1, now() + interval '1 hour')", [
      organizationId,
      randomUUID(),
    ]);
    await close("backup", "never applied");
    expect(await isLeased()).toBe(true);
  });
});

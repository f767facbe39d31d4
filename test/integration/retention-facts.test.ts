// What retention goes by, read from the control tables: each fact that keeps a backup, and when it ceases to.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { placeLegalHold } from "../../src/control/legal-hold.ts";
import type { ProofLevel } from "../../src/domain/backup-request.ts";
import { createControlTables, type ControlTables } from "../support/control-tables.ts";

let database: ControlTables["database"];
let owner: ControlTables["owner"];
let ledgers: ControlTables["ledgers"];
const organizationId = "org";

beforeAll(async () => {
  ({ database, owner, ledgers } = await createControlTables());
});
beforeEach(() =>
  database.query(
    `DELETE FROM backup.backup_verification_results; DELETE FROM backup.backup_leases; DELETE FROM backup.backup_jobs;
     DELETE FROM backup.backup_restores; DELETE FROM backup.backup_prunes; DELETE FROM backup.backup_reads; DELETE FROM backup.legal_holds`,
  ),
);
afterAll(async () => {
  await owner?.close();
  await database?.drop();
});

const facts = () => ledgers.retention.readFacts(organizationId);

async function insertBackup(sequence: number, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const row = {
    id: randomUUID(),
    organization_id: organizationId,
    trigger: "schedule",
    requested_by: "test",
    status: "completed",
    workflow_id: "backup/org",
    proof: "none",
    sequence,
    manifest_hash: "x",
    finished_at: new Date(),
    ...more,
  };
  const columns = Object.keys(row);
  await owner.query(
    `INSERT INTO backup.backup_jobs (${columns.join(", ")}) VALUES (${columns.map((_, at) => `$${at + 1}`).join(", ")})`,
    Object.values(row),
  );
  return row.id;
}

async function insertRestore(status: string, set = "requested_at = now()"): Promise<string> {
  const id = randomUUID();
  await owner.query(
    `INSERT INTO backup.backup_restores (id, organization_id, target_organization_id, workflow_id, requested_by, choice, strategy, live_only, status)
     VALUES ($1, $2, $2, 'restore/x', 'test', '{"by":"latest"}', 'overwrite', 'keep', $3)`,
    [id, organizationId, status],
  );
  await owner.query(`UPDATE backup.backup_restores SET ${set} WHERE id = $1`, [id]);
  return id;
}

describe("a backup", () => {
  const only = async () => (await facts()).backups[0];

  test("is known by how it was made", async () => {
    await insertBackup(1);
    await insertBackup(2, { status: "incomplete" });
    await insertBackup(3, { trigger: "restore" });
    await insertBackup(4, { data_sets: ["guests"] });
    await insertBackup(5, { released_at: new Date() });
    await insertBackup(6, { manifest_hash: null, status: "failed" });
    await insertBackup(7, { organization_id: "another" });
    const known = (await facts()).backups.toSorted((a, b) => a.sequence - b.sequence);
    expect(
      known.map(({ sequence, complete, beforeRestore, isFull }) => [sequence, complete, beforeRestore, isFull]),
    ).toEqual([
      [1, true, false, true],
      [2, false, false, true],
      [3, true, true, true],
      [4, true, false, false],
    ]);
  });

  const part = { number: 1, of: 2 };
  const proofs: [string, readonly [ProofLevel, boolean, typeof part?][], string][] = [
    ["nothing", [], "unproven"],
    ["its content", [["content", true]], "proven"],
    [
      "its content, and later found damaged",
      [
        ["content", true],
        ["restore", false],
      ],
      "failed",
    ],
    [
      "damaged, and later proven again",
      [
        ["content", false],
        ["content", true],
      ],
      "proven",
    ],
    ["all stored bytes", [["integrity", true]], "proven"],
    [
      "all stored bytes, and found damaged by itself",
      [
        ["content", false],
        ["integrity", true],
      ],
      "failed",
    ],
    ["a part of the stored bytes only", [["integrity", true, part]], "unproven"],
    ["all stored bytes, which were not whole: that does not say whose", [["integrity", false]], "unproven"],
  ];
  test.each(proofs)("of which was proven: %s", async (_what, results, proof) => {
    const jobId = await insertBackup(1);
    for (const [level, proven, of] of results)
      await ledgers.verifications.recordVerification({
        jobId,
        organizationId,
        level,
        objects: 1,
        bytes: 1,
        problems: proven ? [] : [{ key: "k", code: "ObjectCorrupt", message: "x" }],
        startedAt: new Date(),
        ...(of === undefined ? {} : { part: of }),
      });
    expect(await only()).toMatchObject({ proof });
  });

  test("that is read is told as long as it is held; a shorter hold takes nothing from a longer one", async () => {
    const hold = (sequence: number, reader: string, seconds: number) =>
      ledgers.retention.holdBackup({ organizationId, sequence, reader, seconds });
    await hold(1, "a", 600);
    await hold(1, "a", 1);
    await hold(2, "b", -1);
    await hold(3, "c", 60);
    await ledgers.retention.dropHold({ organizationId, reader: "c" });
    const [first] = await owner.query<{ left: number }>(
      "SELECT extract(epoch FROM expires_at - now())::integer AS left FROM backup.backup_reads WHERE sequence = 1",
    );
    expect(first?.left).toBeGreaterThan(500);
    expect((await facts()).readSequences).toEqual([1]);
  });

  test("from before a restore is needed for its rollback: while that is applied, for thirty days", async () => {
    await insertRestore("applied", "pre_restore_sequence = 1, finished_at = now() - interval '29 days'");
    await insertRestore("applied", "pre_restore_sequence = 2, finished_at = now() - interval '31 days'");
    await insertRestore("rolled_back", "pre_restore_sequence = 3, finished_at = now()");
    await insertRestore("failed", "pre_restore_sequence = 4, finished_at = now()");
    await insertRestore("applied", "pre_restore_sequence = 5, finished_at = now(), organization_id = 'another'");
    expect((await facts()).rollbackSequences).toEqual([1]);
  });
});

const waiting: [string, string, string, boolean][] = [
  ["for people", "waiting", "waits_until = now() + interval '1 minute'", true],
  ["a little beyond its deadline", "waiting", "waits_until = now() - interval '30 minutes'", true],
  ["for ever, for nobody ended it", "waiting", "waits_until = now() - interval '2 hours'", false],
  ["for its beginning", "requested", "requested_at = now() - interval '23 hours'", true],
  ["for a beginning that never came", "requested", "requested_at = now() - interval '25 hours'", false],
  ["for nothing: it is over", "applied", "finished_at = now()", false],
  [
    "for people, in another organization",
    "waiting",
    "waits_until = now() + interval '1 day', organization_id = 'another'",
    false,
  ],
];

describe.each(waiting)("a restore that waits %s", (_what, status, set, waits) => {
  test(waits ? "keeps every backup" : "keeps none", async () => {
    await insertBackup(1);
    const prune = { organizationId, ...(await openPrune()) };
    await insertRestore(status, set);
    expect((await facts()).restoreWaits).toBe(waits);
    // Asked again by whoever is about to let go, for it may have begun to wait since.
    expect(await ledgers.retention.claimReleases(prune, [1])).toEqual(waits ? [] : [1]);
  });
});

test("a restore that runs keeps every backup as long as the lease is its own", async () => {
  const id = await insertRestore("requested");
  await ledgers.restores.openRestore({ restoreId: id, organizationId, operation: "restore" });
  expect((await facts()).restoreWaits).toBe(true);
  await owner.query("UPDATE backup.backup_leases SET holder = gen_random_uuid()");
  expect((await facts()).restoreWaits).toBe(false);
});

const openPrune = () =>
  ledgers.retention.openPrune({ pruneId: randomUUID(), organizationId, workflowId: "prune/org", requestedBy: "test" });

describe("what is let go", () => {
  const released = async () =>
    (
      await owner.query<{ sequence: number }>(
        "SELECT sequence FROM backup.backup_jobs WHERE released_at IS NOT NULL ORDER BY 1",
      )
    ).map(({ sequence }) => sequence);

  test("is nothing that is read, nothing under a hold, and can be read no more", async () => {
    for (const sequence of [1, 2, 3]) await insertBackup(sequence);
    const prune = { organizationId, ...(await openPrune()) };
    const hold = (sequence: number, seconds: number) =>
      ledgers.retention.holdBackup({ organizationId, sequence, reader: "r", seconds });
    expect([await hold(1, 60), await hold(2, -1)]).toEqual([true, true]);
    await placeLegalHold(owner, { organizationId, reason: "a court asks", actor: "test" });
    expect((await facts()).legalHold).toBe("a court asks");
    expect(await ledgers.retention.claimReleases(prune, [1, 2, 3])).toEqual([]);
    expect(await released()).toEqual([]);
    await owner.query("DELETE FROM backup.legal_holds");
    expect(await ledgers.retention.claimReleases(prune, [1, 2])).toEqual([2]);
    expect(await released()).toEqual([2]);
    expect([await hold(2, 60), await hold(3, 60)]).toEqual([false, true]);
    expect((await facts()).backups.map(({ sequence }) => sequence).toSorted((a, b) => a - b)).toEqual([1, 3]);
  });

  test("is told by what the store lists, and the newer ones are left as they are", async () => {
    for (const sequence of [1, 2, 3, 4]) await insertBackup(sequence);
    await insertBackup(1, { organization_id: "another" });
    await ledgers.retention.recordReleases(organizationId, [2, 3]);
    expect(await released()).toEqual([1]);
    // Said to be let go, and there all the same: it counts again.
    await ledgers.retention.recordReleases(organizationId, [1, 2, 3]);
    expect(await released()).toEqual([]);
  });
});

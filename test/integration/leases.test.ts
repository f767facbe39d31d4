// One operation on an organization at a time: who gets its lease from whom, asked of the control tables themselves. What
// must not be taken over is as much in here as what must be: an organization that nobody can back up is unprotected.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { BackupOutcome } from "../../src/domain/backup-request.ts";
import { outcomeOf } from "../support/outcome.ts";
import { createControlTables, type ControlTables } from "../support/control-tables.ts";

let database: ControlTables["database"];
let owner: ControlTables["owner"];
let ledgers: ControlTables["ledgers"];
const organizationId = "org";
const another = "another";

beforeAll(async () => {
  ({ database, owner, ledgers } = await createControlTables());
});
beforeEach(() =>
  database.query(
    `DELETE FROM backup.backup_leases; DELETE FROM backup.backup_jobs; DELETE FROM backup.backup_restores; DELETE FROM backup.backup_prunes;
     DELETE FROM backup.legal_holds`,
  ),
);
afterAll(async () => {
  await owner?.close();
  await database?.drop();
});

const openJob = (jobId: string, workflowId = `backup/${jobId}`, restoreId?: string) =>
  ledgers.jobs.openJob({
    jobId,
    organizationId,
    workflowId,
    request: {
      organizationId,
      policyId: null,
      trigger: "manual",
      requestedBy: "test",
      dataSets: null,
      proof: "none",
      ...(restoreId === undefined ? {} : { restoreId }),
    },
  });
const openPrune = (pruneId: string, workflowId = `prune/${pruneId}`) =>
  ledgers.retention.openPrune({ pruneId, organizationId, workflowId, requestedBy: "test" });
const openRestore = (restoreId: string, operation: "restore" | "rollback" = "restore") =>
  ledgers.restores.openRestore({ restoreId, organizationId, operation });

const insertRestore = (id: string, status: string, waitsUntil: string | null = null) =>
  owner.query(
    `INSERT INTO backup.backup_restores (id, organization_id, target_organization_id, workflow_id, requested_by, choice, strategy, live_only, status, waits_until)
     VALUES ($1, $2, $2, 'restore/x', 'test', '{"by":"latest"}', 'overwrite', 'keep', $3, now() + $4::interval)`,
    [id, organizationId, status, waitsUntil],
  );
const lease = async () =>
  (
    await owner.query<{ operation: string; holder: string; left: number }>(
      `SELECT operation, holder, round(extract(epoch FROM expires_at - now()) / 60)::integer AS left FROM backup.backup_leases WHERE organization_id = $1`,
      [organizationId],
    )
  )[0];
const expire = () => owner.query("UPDATE backup.backup_leases SET expires_at = now() - interval '1 second'");
const statusOf = async (table: string, id: string) =>
  (
    await owner.query<{ status: string; error_code: string | null }>(
      `SELECT status, error_code FROM backup.${table} WHERE id = $1`,
      [id],
    )
  )[0];

const askers = {
  backup: (id: string) => openJob(id),
  restore: (id: string) => openRestore(id),
  rollback: (id: string) => openRestore(id, "rollback"),
  prune: (id: string) => openPrune(id),
} as const;
type Asker = keyof typeof askers;

/** Each makes a holder of the lease. */
const holders = {
  "a backup": (id: string) => openJob(id),
  "a backup that is over": async (id: string) => {
    await openJob(id);
    await owner.query("UPDATE backup.backup_jobs SET status = 'completed' WHERE id = $1", [id]);
  },
  "a restore": async (id: string) => {
    await insertRestore(id, "requested");
    await openRestore(id);
  },
  "a prune": (id: string) => openPrune(id),
  "a prune that is over": async (id: string) => {
    await openPrune(id);
    await owner.query("UPDATE backup.backup_prunes SET status = 'completed' WHERE id = $1", [id]);
  },
  "a prune that lets backups go": async (id: string) => {
    const { fencingToken } = await openPrune(id);
    expect(await ledgers.retention.claimReleases({ organizationId, fencingToken }, [])).toEqual([]);
  },
} as const;
type Holder = keyof typeof holders;

const giveWay: Readonly<Record<Holder, readonly Asker[]>> = {
  "a backup": [],
  "a backup that is over": ["backup", "restore", "rollback", "prune"],
  "a restore": [],
  "a prune": ["backup", "restore", "rollback"],
  "a prune that is over": ["backup", "restore", "rollback", "prune"],
  "a prune that lets backups go": ["backup"],
};
/** A backup whose lease ran out may have stored what no manifest names: no prune runs beside it, ever. */
const notEvenExpired: readonly [Holder, Asker][] = [["a backup", "prune"]];

const cells = (Object.keys(holders) as Holder[]).flatMap((holder) =>
  (Object.keys(askers) as Asker[]).map((asker) => [asker, holder] as const),
);

describe.each(cells)("a %s that finds the lease with %s", (asker, holder) => {
  let [held, asking] = ["", ""];
  let before: { holder: string } | undefined;
  beforeEach(async () => {
    [held, asking] = [randomUUID(), randomUUID()];
    await holders[holder](held);
    before = await lease();
    expect(before).toMatchObject({ holder: held });
  });
  const ask = () => outcomeOf(() => askers[asker](asking));
  const isGiven = giveWay[holder].includes(asker);

  test(isGiven ? "gets it, by a later token" : "is refused, and it stays where it was", async () => {
    const [had] = await owner.query<{ token: string }>("SELECT fencing_token::text AS token FROM backup.backup_leases");
    if (!isGiven) {
      expect(await ask()).toBe("OrganizationBusy");
      expect(await lease()).toEqual(before);
      return;
    }
    const { fencingToken } = await askers[asker](asking);
    expect(fencingToken).toBeGreaterThan(Number(had?.token));
    expect(await lease()).toMatchObject({ holder: asking, operation: asker });
    // Whoever retries its first step has the same lease, and not a newer one that would shut out its other steps.
    expect(await askers[asker](asking)).toEqual({ fencingToken });
  });

  test("gets it once it has run out", async () => {
    await expire();
    const isKept = notEvenExpired.some(([a, b]) => a === holder && b === asker);
    if (isKept) expect(await ask()).toBe("OrganizationBusy");
    else {
      await askers[asker](asking);
      expect(await lease()).toMatchObject({ holder: asking, operation: asker });
    }
  });
});

describe("a later run of the same workflow", () => {
  test("of a backup takes over from the one that was terminated, and closes it", async () => {
    const [lost, next] = [randomUUID(), randomUUID()];
    await openJob(lost, "backup/org");
    await openJob(next, "backup/org");
    expect(await lease()).toMatchObject({ holder: next });
    expect(await statusOf("backup_jobs", lost)).toEqual({ status: "failed", error_code: "Cancelled" });
    expect(await statusOf("backup_jobs", next)).toEqual({ status: "running", error_code: null });
  });

  test("of a prune does so, too; one that does not get the lease closes nobody", async () => {
    const [lost, next] = [randomUUID(), randomUUID()];
    await openPrune(lost, "prune/org");
    await openPrune(next, "prune/org");
    expect(await lease()).toMatchObject({ holder: next });
    expect(await statusOf("backup_prunes", lost)).toEqual({ status: "failed", error_code: "Cancelled" });
    await openJob(randomUUID());
    expect(await outcomeOf(() => openPrune(randomUUID(), "prune/org"))).toBe("OrganizationBusy");
    expect(await statusOf("backup_prunes", next)).toEqual({ status: "running", error_code: null });
  });
});

describe("a restore that waits for people holds no lease, and", () => {
  test.each([
    ["1 hour", "OrganizationBusy"],
    ["-30 minutes", "OrganizationBusy"],
    ["-2 hours", "done"],
  ])("with a deadline in %s, another restore is told: %s", async (until, expected) => {
    await insertRestore(randomUUID(), "waiting", until);
    expect(await outcomeOf(() => openRestore(randomUUID()))).toBe(expected);
    // Backups go on meanwhile.
    if (expected !== "done") await openJob(randomUUID());
  });

  test("itself goes on, and stops to wait", async () => {
    const id = randomUUID();
    await insertRestore(id, "waiting", "1 hour");
    await openRestore(id);
    expect(await statusOf("backup_restores", id)).toMatchObject({ status: "running" });
  });

  test("a rollback leaves the restore's status as it is", async () => {
    const id = randomUUID();
    await insertRestore(id, "applied");
    await openRestore(id, "rollback");
    expect(await statusOf("backup_restores", id)).toMatchObject({ status: "applied" });
  });
});

describe("the backup right before a restore", () => {
  test("works under that restore's lease, and leaves it there", async () => {
    const [restoreId, jobId] = [randomUUID(), randomUUID()];
    await insertRestore(restoreId, "requested");
    const { fencingToken } = await openRestore(restoreId);
    expect(await openJob(jobId, "backup/org", restoreId)).toEqual({ fencingToken });
    await ledgers.jobs.failJob({ ...failure, jobId });
    expect(await lease()).toMatchObject({ holder: restoreId, operation: "restore" });
  });

  test("does not begin under another restore's, nor under a rollback's or none", async () => {
    const [restoreId, other] = [randomUUID(), randomUUID()];
    expect(await outcomeOf(() => openJob(randomUUID(), "backup/org", restoreId))).toBe("OrganizationBusy");
    await insertRestore(other, "requested");
    await openRestore(other);
    expect(await outcomeOf(() => openJob(randomUUID(), "backup/org", restoreId))).toBe("OrganizationBusy");
    await openRestore(other, "rollback");
    expect(await outcomeOf(() => openJob(randomUUID(), "backup/org", other))).toBe("OrganizationBusy");
    expect(await owner.query("SELECT 1 FROM backup.backup_jobs")).toEqual([]);
  });
});

const failure = { organizationId, code: "Internal", message: "x", stages: {}, sealed: null } as const;

/** What a backup that was stored after all reports. */
const sealed: BackupOutcome = {
  backupId: "",
  organizationId,
  status: "completed",
  sequence: 1,
  rows: 1,
  rawBytes: 1,
  storedBytes: 100,
  reusedBytes: 0,
  tables: 1,
  files: 0,
  missingFiles: 0,
  foreignRows: 0,
  sealedAfterMs: 1,
  durationMs: 1,
  proof: "none",
  restarts: 0,
  stages: {},
};

describe("whoever lost the lease", () => {
  test("is told so before it goes on, and its end leaves the lease to the one who has it", async () => {
    const [jobId, restoreId, pruneId] = [randomUUID(), randomUUID(), randomUUID()];
    const backup = await openJob(jobId);
    await owner.query("UPDATE backup.backup_jobs SET status = 'failed'");
    const prune = await openPrune(pruneId);
    await insertRestore(restoreId, "requested");
    const restore = { restoreId, organizationId, ...(await openRestore(restoreId)) };
    const jobs = () => outcomeOf(() => ledgers.jobs.assertLease({ organizationId, ...backup }));
    const prunes = () => outcomeOf(() => ledgers.retention.assertMayRemove({ organizationId, ...prune }));
    expect([await jobs(), await prunes()]).toEqual(["OrganizationBusy", "OrganizationBusy"]);
    expect(await outcomeOf(() => ledgers.retention.claimReleases({ organizationId, ...prune }, [1]))).toBe(
      "OrganizationBusy",
    );
    await ledgers.jobs.failJob({ ...failure, jobId });
    await ledgers.retention.failPrune({ ...failure, pruneId });
    await ledgers.restores.releaseLease({ ...restore, restoreId: randomUUID() });
    await ledgers.restores.releaseLease({ ...restore, fencingToken: restore.fencingToken - 1 });
    await ledgers.restores.releaseLease({ ...restore, organizationId: another });
    expect(await lease()).toMatchObject({ holder: restoreId, operation: "restore" });
    await ledgers.restores.assertLease(restore);
    for (const wrong of [{ restoreId: randomUUID() }, { fencingToken: 0 }, { organizationId: another }])
      expect(await outcomeOf(() => ledgers.restores.assertLease({ ...restore, ...wrong }))).toBe("OrganizationBusy");
    await ledgers.restores.releaseLease(restore);
    expect(await lease()).toBeUndefined();
  });

  test("to another of its own kind is told so, too", async () => {
    const pruneId = randomUUID();
    const lost = { organizationId, ...(await openPrune(pruneId, "prune/org")) };
    const next = { organizationId, ...(await openPrune(randomUUID(), "prune/org")) };
    expect(await outcomeOf(() => ledgers.retention.assertMayRemove(lost))).toBe("OrganizationBusy");
    expect(await outcomeOf(() => ledgers.retention.claimReleases(lost, [1]))).toBe("OrganizationBusy");
    await ledgers.retention.assertMayRemove(next);
    await ledgers.retention.failPrune({ ...failure, pruneId });

    const jobId = randomUUID();
    const { fencingToken } = await openJob(jobId, "backup/org");
    const after = randomUUID();
    await openJob(after, "backup/org");
    const outcome = { ...sealed, backupId: jobId };
    await ledgers.jobs.completeJob({ outcome, manifestHash: "x", fencingToken });
    expect(await lease()).toMatchObject({ holder: after });
  });

  test("while it holds it, asking makes it last longer; a prune's removal is open to restores again", async () => {
    const pruneId = randomUUID();
    const prune = { organizationId, ...(await openPrune(pruneId)) };
    await ledgers.retention.claimReleases(prune, []);
    expect(await lease()).toMatchObject({ operation: "release", left: 2 });
    await ledgers.retention.assertMayRemove(prune);
    expect(await lease()).toMatchObject({ operation: "prune", left: 10 });
    await ledgers.retention.failPrune({ ...failure, pruneId });
    expect(await lease()).toBeUndefined();
    const backup = { organizationId, ...(await openJob(randomUUID())) };
    await owner.query("UPDATE backup.backup_leases SET expires_at = now() + interval '1 minute'");
    await ledgers.jobs.assertLease(backup);
    expect(await lease()).toMatchObject({ left: 240 });
  });

  test("its end gives it back, and the bytes that a prune removed are not counted any more", async () => {
    await database.query("DELETE FROM backup.organization_status");
    const storedBytes = async () =>
      (await owner.query("SELECT stored_bytes::integer AS bytes FROM backup.organization_status"))[0];
    const jobId = randomUUID();
    const { fencingToken } = await openJob(jobId);
    await ledgers.jobs.completeJob({ outcome: { ...sealed, backupId: jobId }, manifestHash: "x", fencingToken });
    expect([await lease(), await storedBytes()]).toEqual([undefined, { bytes: 100 }]);
    for (const [removedBytes, left] of [
      [30, 70],
      [500, 0],
    ] as const) {
      const pruneId = randomUUID();
      await ledgers.retention.completePrune({
        pruneId,
        organizationId,
        ...(await openPrune(pruneId)),
        released: { kept: 1, released: [], legalHold: false },
        swept: { removedManifests: 0, removedPacks: 1, removedBytes, quarantinedPacks: 0, nextDueAt: null },
      });
      expect([await lease(), await storedBytes()]).toEqual([undefined, { bytes: left }]);
      expect(await statusOf("backup_prunes", pruneId)).toMatchObject({ status: "completed" });
    }
  });
});

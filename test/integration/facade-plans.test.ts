// The plans of the facade's lists with many jobs: by index, in order, without a sort, under row-level security.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { mostBases } from "../../activities/read-bases.ts";
import { openBoundSessions, readBindingKey, type BoundSessions } from "../../src/control/bound-sessions.ts";
import { openControlDatabase, type ControlDatabase } from "../../src/control/control-database.ts";
import { createJobLedger } from "../../src/control/job-ledger.ts";
import { createVerificationLedger } from "../../src/control/verification-ledger.ts";
import { migrateControlTables } from "../../src/control/migrate.ts";
import { findPlanFaults, listFacadeReads, type FacadeRead } from "../../scripts/bench/facade-reads.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

const jobs = 200_000;
const organizations = 500;
let database: TestDatabase;
let owner: ControlDatabase;
let sessions: BoundSessions;

beforeAll(async () => {
  database = await createTestDatabase();
  await migrateControlTables(database.url);
  owner = openControlDatabase(database.url);
  sessions = openBoundSessions({ url: database.url, bindingKey: await readBindingKey(owner) });
  // The triggers would write 200,000 audit entries, which is not what is looked at here.
  await database.query(
    `ALTER TABLE backup.backup_jobs DISABLE TRIGGER USER;
     INSERT INTO backup.backup_jobs (id, organization_id, policy_id, trigger, requested_by, status, workflow_id, proof, started_at, finished_at, sequence, manifest_hash)
     SELECT gen_random_uuid(), 'org-' || n % ${organizations}, md5((n % ${organizations} * 2 + n / ${organizations} % 2)::text)::uuid, 'schedule', 'x',
            CASE WHEN n % 7 = 0 THEN 'failed' ELSE 'completed' END, 'backup/x', 'content', now() - n * interval '1 minute', now(), n / ${organizations}, CASE WHEN n % 7 = 0 THEN NULL ELSE 'x' END
     FROM generate_series(1, ${jobs}) n;
     ALTER TABLE backup.backup_jobs ENABLE TRIGGER USER;
     ANALYZE backup.backup_jobs;`,
  );
});

afterAll(async () => {
  await sessions?.close();
  await owner?.close();
  await database?.drop();
});

const reads = listFacadeReads({ middleAt: new Date(Date.now() - (jobs / 2) * 60_000).toISOString() });

describe(`with ${jobs} jobs`, () => {
  test.each(reads.map((read) => [read.name, read] as const))("%s", async (_name, read) => {
    expect(await findPlanFaults(sessions, read)).toEqual([]);
  });

  test("a read of all jobs, or by another index, would be seen", async () => {
    const scan = (sql: string, indexes?: string[]): FacadeRead => ({
      name: sql,
      organizationId: null,
      read: (bound) => bound.query(sql),
      ...(indexes === undefined ? {} : { indexes }),
    });
    const all = await findPlanFaults(
      sessions,
      scan("SELECT count(*) FROM backup.backup_jobs WHERE requested_by = 'y'"),
    );
    expect(all).toEqual(expect.arrayContaining(["reads all jobs"]));
    const one = "SELECT * FROM backup.backup_jobs WHERE id = '80000000-0000-4000-8000-000000000000'";
    expect(await findPlanFaults(sessions, scan(one, ["backup_jobs_by_time"]))).toEqual([
      "uses backup_jobs_pkey, not backup_jobs_by_time",
    ]);
  });

  test("what a backup asks of the organization's newest backups", async () => {
    const newest: FacadeRead = {
      name: "the newest manifest",
      organizationId: "org-7",
      indexes: ["backup_jobs_by_organization_sequence"],
      read: (bound) => createJobLedger(bound as ControlDatabase).latestManifest("org-7"),
    };
    expect(await findPlanFaults(sessions, newest)).toEqual([]);
    const damage: FacadeRead = {
      ...newest,
      name: "what was found damaged of the newest backups",
      read: (bound) => createVerificationLedger(bound as ControlDatabase).listDamage("org-7", mostBases),
    };
    expect(await findPlanFaults(sessions, damage)).toEqual([]);
  });
});

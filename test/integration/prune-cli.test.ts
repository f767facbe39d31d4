// The command line around retention, as a person or a script runs it: policies with --keep options, the dry run's table,
// prune, legal holds, and exit codes by the error table.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createCommandLine } from "../support/command-line.ts";
import { environmentOf } from "../support/rig-environment.ts";

let rig: BackupRig;
let commands: ReturnType<typeof createCommandLine>;
let organizationId: string;

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 2, guestsPerWedding: 4, messagesPerWedding: 2 } });
  await rig.startWorker();
  [organizationId = ""] = rig.organizationIds;
  commands = createCommandLine(environmentOf(rig));
});
afterAll(async () => await rig?.close());

const create = (...options: string[]) =>
  commands.json(["policy", "create", "--organization", organizationId, "--cron", "0 3 1 1 *", ...options]);

test("policy create takes rules, keeps them when nothing is said, and refuses what keeps nothing", async () => {
  for (const wrong of [
    ["--keep-daily", "none"],
    ["--keep-proven", "2"],
    ["--keep-all", "--keep-last", "1"],
  ]) {
    const { code, json } = await create(...wrong);
    expect([wrong, code, json]).toMatchObject([wrong, 2, { error: { code: "UsageInvalid" } }]);
  }
  const rules = { daily: 7, yearly: 3, minProven: 2, othersDays: 30 };
  const options = ["--keep-daily", "7", "--keep-yearly", "3", "--keep-proven", "2", "--keep-others", "30"];
  expect((await create(...options)).json).toMatchObject({ retention: rules });
  expect((await create("--jitter", "60")).json).toMatchObject({ retention: rules, jitterSeconds: 60 });
  const { stdout } = await commands.run(["policy", "list"]);
  expect(stdout).toContain("daily 7, yearly 3, at least 2 proven, others 30 days");
  expect((await create("--keep-all")).json).toMatchObject({ retention: null });
  expect((await create("--keep-last", "1")).json).toMatchObject({ retention: { last: 1, minProven: 1 } });
});

test("a dry run names the rule that keeps each backup, and a hold keeps all; then prune lets go", async () => {
  const [policy] = await rig.database.query<{ id: string }>("SELECT id FROM backup.backup_policies");
  for (let time = 0; time < 2; time++) await rig.backUp(organizationId, { policyId: policy?.id ?? null });
  const dryRun = ["prune", "--organization", organizationId, "--dry-run"];
  const { code, stdout } = await commands.run(dryRun);
  expect(code).toBe(0);
  expect(stdout).toContain("NOTHING: it would be let go");
  expect(stdout).toContain("newest (the organization's newest); proven of nightly (1 of 1); last of nightly (1 of 1)");
  expect(stdout).toContain("1 kept, 1 would be let go");

  const nobody = await commands.json(["hold", "place", "--organization", "no such", "--reason", "x"]);
  expect(nobody).toMatchObject({ code: 1, json: { error: { code: "OrganizationNotFound" } } });
  await commands.run(["hold", "place", "--organization", organizationId, "--reason", "a court asks"]);
  expect((await commands.run(["hold", "list"])).stdout).toContain("a court asks");
  expect((await commands.json(dryRun)).json).toMatchObject({
    dryRun: true,
    organizations: [{ legalHold: "a court asks", kept: 2, released: 0 }],
    failures: [],
  });
  expect((await commands.run(["prune"])).stdout).toContain("LEGAL HOLD");
  expect((await commands.json(["hold", "lift", "--organization", organizationId])).json).toMatchObject({
    lifted: true,
  });

  const pruned = await commands.json(["prune"]);
  expect(pruned).toMatchObject({ code: 0, json: { organizations: [{ organizationId, kept: 1, released: [1] }] } });
  const { json } = await commands.json(["list", "--organization", organizationId]);
  expect((json as { backups: { sequence: number }[] }).backups.map(({ sequence }) => sequence)).toEqual([2]);
});

test("the report tells what retention let go, holds and a rotation of the key, and its page and PDF are written", async () => {
  const newKey = Buffer.alloc(32, 5).toString("base64");
  expect(await commands.json(["keys", "rotate"], { BACKUP_NEW_ENCRYPTION_KEY: newKey })).toMatchObject({ code: 0 });
  const back = { BACKUP_ENCRYPTION_KEY: newKey, BACKUP_NEW_ENCRYPTION_KEY: rig.key };
  expect(await commands.json(["keys", "rotate"], back)).toMatchObject({ code: 0 });
  const page = join(rig.folder, "report.html");
  const { json } = await commands.json(["report", "--organization", organizationId, "--html", page]);
  expect(json).toMatchObject({
    holds: [
      { what: "placed", reason: "a court asks" },
      { what: "lifted", reason: "a court asks" },
    ],
    retention: { failed: 0, releases: [{ backups: [1] }] },
    keyRotations: [{ by: expect.stringMatching(/^cli:/) }, {}],
    erasure: null,
  });
  expect(await readFile(page, "utf8")).toContain("backups 1");
  // Nobody else is told of another's holds; a key that is rotated is everybody's.
  const other = await commands.json(["report", "--organization", rig.organizationIds[1] ?? ""]);
  expect(other.json).toMatchObject({ holds: [], retention: { releases: [] } });
});

test("a robbed repository ends it by name, until somebody says that this is known", async () => {
  await rig.backUp(organizationId);
  await rig.backUp(organizationId);
  await (await rig.repository.openVault(organizationId)).deleteManifests([3]);
  const refused = await commands.json(["prune", "--organization", organizationId]);
  expect(refused).toMatchObject({ code: 3, json: { failures: [{ code: "RepositoryRolledBack" }] } });
  expect(JSON.stringify(refused.json)).toContain("--forget-missing");
  expect(await commands.json(["verify", "--organization", organizationId])).toMatchObject({ code: 3 });
  const everybody = await commands.json(["prune", "--forget-missing"]);
  expect(everybody).toMatchObject({ code: 2, json: { error: { code: "UsageInvalid" } } });
  const forgotten = await commands.json(["prune", "--organization", organizationId, "--forget-missing"]);
  expect(forgotten).toMatchObject({ code: 0, json: { failures: [] } });
  expect(await commands.json(["verify", "--organization", organizationId])).toMatchObject({ code: 0 });
});

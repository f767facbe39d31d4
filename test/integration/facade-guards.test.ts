// Guards of single endpoints, each tried where it alone stands in the way. Whose things are whose is told, endpoint by
// endpoint, in facade-matrix.test.ts.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import request from "supertest";
import { BackupError } from "../../src/domain/errors.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { openFacades, type FacadeRig } from "../support/facade-rig.ts";
import { keepPolicy } from "../support/policies.ts";
import { makePlainBackup } from "../support/plain-backup.ts";

let rig: BackupRig;
let facade: FacadeRig;
let organizationId: string;
let other: string;
let owner: { Authorization: string };
let backupId: string;
const { open, close } = openFacades(() => rig);

beforeAll(async () => {
  rig = await createBackupRig(); // no worker: nothing that is started here needs to run
  facade = await open();
  [organizationId = "", other = ""] = rig.organizationIds;
  owner = await facade.as("owner", organizationId);
  const vault = await rig.repository.openVault(organizationId, { create: true });
  const { url } = rig.database;
  const manifest = await makePlainBackup({
    url,
    catalogue: rig.catalogue,
    organizationId,
    vault,
    media: rig.media,
  });
  ({ backupId } = manifest);
  await insertJob(backupId, manifest.sequence);
});
afterAll(async () => {
  await close();
  await rig?.close();
});

const insertJob = (id: string, sequence: number | null, status = "completed") =>
  rig.control.query(
    `INSERT INTO backup.backup_jobs (id, organization_id, trigger, requested_by, status, workflow_id, proof, sequence, manifest_hash, finished_at)
     VALUES ($1, $2, 'manual', 'test', $5, $3, 'content', $4, 'x', now())`,
    [id, organizationId, `backup/${organizationId}`, sequence, status],
  );
async function insertRestore(status: string, target: "source" | "other" = "source"): Promise<string> {
  const id = randomUUID();
  await rig.control.query(
    `INSERT INTO backup.backup_restores (id, organization_id, target_organization_id, target, workflow_id, requested_by, choice, strategy, live_only, status)
     VALUES ($1, $2, $2, $4, 'restore/none', 'test', '{"by":"latest"}', 'overwrite', 'keep', $3)`,
    [id, organizationId, status, target],
  );
  return id;
}

const get = (path: string, as = owner, at = facade) => request(at.url).get(path).set(as);
const post = (path: string, body: object = {}, as = owner, at = facade) =>
  request(at.url).post(path).set(as).send(body);
const told = ({ status, body }: { status: number; body: { code?: string } }) => [status, body.code];

test("a platform admin that names an organization sees no other's things, by whatever id", async () => {
  const platform = await facade.as("platform", null);
  const restoreId = await insertRestore("applied");
  const policy = await keepPolicy(rig.control, organizationId, { name: "theirs" });
  const things: [string, string][] = [
    [`/api/admin/jobs/${backupId}`, "JobNotFound"],
    [`/api/admin/backup/${backupId}`, "BackupNotFound"],
    [`/api/admin/restores/${restoreId}`, "RestoreNotFound"],
  ];
  for (const [path, code] of things) {
    expect((await get(`${path}?organizationId=${organizationId}`, platform)).status).toBe(200);
    expect(told(await get(`${path}?organizationId=${other}`, platform))).toEqual([404, code]);
  }
  const pause = (named: string) => post(`/api/admin/policies/${policy.id}/pause?organizationId=${named}`, {}, platform);
  expect(told(await pause(other))).toEqual([404, "PolicyNotFound"]);
  expect((await pause(organizationId)).status).toBe(200);
});

test("rows of a restore into another database are not for callers of this one", async () => {
  const id = await insertRestore("waiting", "other");
  expect(told(await get(`/api/admin/restores/${id}/rows?purpose=look`))).toEqual([404, "RestoreNotFound"]);
});

test("a backup is what the store has under its number, or none", async () => {
  const stranger = randomUUID();
  await insertJob(stranger, 1);
  expect((await get(`/api/admin/backup/${backupId}`)).status).toBe(200);
  for (const [id, sequence] of [
    [stranger, 1],
    [randomUUID(), 77],
  ] as const) {
    if (id !== stranger) await insertJob(id, sequence);
    expect(told(await get(`/api/admin/backup/${id}`))).toEqual([404, "BackupNotFound"]);
    expect(told(await post(`/api/admin/backup/${id}/download`, { purpose: "x" }))).toEqual([404, "BackupNotFound"]);
  }
});

test("a backup that retention lets go this moment is not given out", async () => {
  // As hold_backup sees it, and a session that had read the job's row right before does not yet.
  const sessions = facade.dependencies.sessions;
  const late = await open({
    dependencies: {
      sessions: {
        ...sessions,
        run: async (binding, work) =>
          await sessions.run(binding, (bound) =>
            work({
              query: async (sql, parameters) => {
                const rows = await bound.query<never>(sql, parameters);
                if (sql.includes("FROM backup.backup_jobs"))
                  await rig.control.query("UPDATE backup.backup_jobs SET released_at = now() WHERE id = $1", [
                    backupId,
                  ]);
                return rows;
              },
            }),
          ),
      },
    },
  });
  const answer = await post(
    `/api/admin/backup/${backupId}/download`,
    { purpose: "x" },
    await late.as("owner", organizationId),
    late,
  );
  await rig.control.query("UPDATE backup.backup_jobs SET released_at = NULL WHERE id = $1", [backupId]);
  expect(told(answer)).toEqual([404, "BackupNotFound"]);
});

test("links of a download keep their backup for longer than they are valid", async () => {
  const { body } = await post(`/api/admin/backup/${backupId}/download`, { purpose: "x" });
  const [row] = await rig.control.query<{ expires_at: Date }>(
    "SELECT max(expires_at) AS expires_at FROM backup.backup_reads WHERE organization_id = $1",
    [organizationId],
  );
  expect(row?.expires_at.getTime()).toBeGreaterThan(Date.parse(body.expiresAt as string));
});

describe("the allowance", () => {
  const limits = { backup: 1, restore: 1, trigger: 1 };
  const limited = async () => {
    const at = await open({ limits });
    const as = await at.as("owner", organizationId, { sub: `limited-${randomUUID()}` });
    return (path: string, body: object) => post(path, body, as, at);
  };

  test("of restores is used by those that write, and by rollbacks; looks are free", async () => {
    const send = await limited();
    const restore = (dryRun: boolean) => send("/api/admin/restores", { dryRun, purpose: "x" });
    for (let look = 0; look < 3; look++) expect((await restore(true)).status).toBe(202);
    expect((await restore(false)).status).toBe(202);
    expect(told(await restore(false))).toEqual([429, "RateLimited"]);
    const rollback = `/api/admin/restores/${await insertRestore("applied")}/rollback`;
    expect(told(await send(rollback, { purpose: "x" }))).toEqual([429, "RateLimited"]);
    expect((await restore(true)).status).toBe(202);
  });

  test("of triggers is used by proofs that are asked for, too", async () => {
    const send = await limited();
    expect((await send("/api/admin/verifications", {})).status).toBe(202);
    expect(told(await send("/api/admin/verifications", {}))).toEqual([429, "RateLimited"]);
    expect(told(await send("/api/admin/backup/trigger", {}))).toEqual([429, "RateLimited"]);
  });
});

test("an ETag that was never ours is no version: nothing is changed, nothing removed", async () => {
  const { id, name } = await keepPolicy(rig.control, organizationId, { name: "conditional" });
  const path = `/api/admin/policies/${id}`;
  const put = request(facade.url).put(path).set(owner).set("If-Match", '"theirs"').send({ name, cron: "0 4 * * *" });
  expect(told(await put)).toEqual([412, "PolicyChanged"]);
  expect(told(await request(facade.url).delete(path).set(owner).set("If-Match", '"theirs"'))).toEqual([
    412,
    "PolicyChanged",
  ]);
  expect((await get(path)).body).toMatchObject({ id, version: 1 });
});

test("a trigger of a policy does what the policy says, not what stands beside it", async () => {
  const [dataSet = "", another = ""] = facade.dependencies.dataSets;
  const policy = await keepPolicy(rig.control, organizationId, {
    name: "some",
    dataSets: [dataSet],
    proof: "integrity",
  });
  const answer = await post("/api/admin/backup/trigger", {
    policyId: policy.id,
    dataSets: [another],
    proof: "none",
    at: new Date(Date.now() + 3_600_000).toISOString(),
  });
  expect(answer.body).toMatchObject({ policyId: policy.id, dataSets: [dataSet], proof: "integrity" });
});

test("an organization that is not in the source, and data sets that are not in the catalogue, start and leave nothing", async () => {
  const gone = await facade.as("owner", "org-that-is-gone");
  const webhook = { url: "https://hooks.example.org/x" };
  const answers = [
    await post("/api/admin/backup", {}, gone),
    await post("/api/admin/backup/trigger", {}, gone),
    await post("/api/admin/policies", { name: "x", cron: "0 2 * * *" }, gone),
    await post("/api/admin/notification-channels", { name: "x", webhook }, gone),
    await request(facade.url)
      .put("/api/admin/organizations/org-that-is-gone/legal-hold")
      .set(gone)
      .send({ reason: "x" }),
  ];
  expect(answers.map(told)).toEqual(answers.map(() => [404, "OrganizationNotFound"]));
  const dataSets = ["no such thing"];
  const wrong = [
    await post("/api/admin/backup", { dataSets }),
    await post("/api/admin/backup/trigger", { dataSets }),
    await post("/api/admin/policies", { name: "x", cron: "0 2 * * *", dataSets }),
    await post("/api/admin/restores", { dataSets, purpose: "x" }),
  ];
  expect(wrong.map(told)).toEqual(wrong.map(() => [422, "ValueInvalid"]));
  for (const table of ["backup_policies", "backup_triggers", "notification_channels", "legal_holds", "backup_leases"])
    expect(await rig.control.query(`SELECT 1 FROM backup.${table} WHERE organization_id = 'org-that-is-gone'`)).toEqual(
      [],
    );
});

test("a copy under another id is of an organization as a whole: single records can't be copied", async () => {
  const platform = await facade.as("platform", null);
  const asked = { organizationId, targetOrganizationId: randomUUID(), purpose: "x" };
  const records = [{ table: "public.guests", key: ["1"] }];
  const answer = await post("/api/admin/restores", { ...asked, records }, platform);
  expect(told(answer)).toEqual([422, "ValueInvalid"]);
  expect(
    await rig.control.query("SELECT 1 FROM backup.backup_restores WHERE target_organization_id = $1", [
      asked.targetOrganizationId,
    ]),
  ).toEqual([]);
});

test("who is told to try again later is told when", async () => {
  const listOrganizations = async () => {
    throw new BackupError("SourceUnreachable", "no answer");
  };
  const broken = await open({ dependencies: { listOrganizations } });
  const answer = await post("/api/admin/backup", {}, await broken.as("owner", organizationId), broken);
  expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "5"]);
});

test("nothing that is answered may be kept by a browser or a proxy", async () => {
  for (const answer of [
    await get("/api/admin/jobs"),
    await get("/api/admin/jobs", {} as never),
    await post("/api/session"),
    await get("/api/admin/nothing"),
  ])
    expect(answer.headers["cache-control"]).toBe("no-store");
});

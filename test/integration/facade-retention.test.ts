// Retention over HTTP: what keeps each backup, the legal hold, policies with retention, and backups that were let go.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import request from "supertest";
import { runPrune } from "../../src/client/start-prune.ts";
import { readLegalHold } from "../../src/control/legal-hold.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createFacadeRig, type FacadeRig } from "../support/facade-rig.ts";

let rig: BackupRig;
let facade: FacadeRig;
let organizationId: string;
let foreign: string;
let policyId: string;
const backupIds: string[] = [];

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 2, guestsPerWedding: 4, messagesPerWedding: 2 } });
  await rig.startWorker();
  facade = await createFacadeRig(rig);
  [organizationId = "", foreign = ""] = rig.organizationIds;
});
afterAll(async () => {
  await facade?.close();
  await rig?.close();
});

const path = (rest: string): string => `/api/admin/organizations/${organizationId}/${rest}`;
const as = (role: "viewer" | "admin" | "owner") => facade.as(role, organizationId);
const prune = () => runPrune(rig.client, { organizationId, requestedBy: "test", graceMs: 0 });

test("a policy says what is kept; rules that keep nothing are refused, field by field", async () => {
  const send = async (retention: unknown) =>
    await request(facade.url)
      .post("/api/admin/policies")
      .set(await as("admin"))
      .send({ name: `p ${JSON.stringify(retention)}`.slice(0, 90), cron: "0 3 1 1 *", retention });
  for (const wrong of [{}, { minProven: 1 }, { daily: 0 }, { daily: 1.5 }, { daily: "7" }, { fortnightly: 2 }, []]) {
    const answer = await send(wrong);
    expect([wrong, [400, 422].includes(answer.status), JSON.stringify(answer.body).includes("retention")]).toEqual([
      wrong,
      true,
      true,
    ]);
  }
  const made = await send({ last: 2 });
  expect([made.status, made.body.retention]).toEqual([201, { last: 2, minProven: 1 }]);
  policyId = made.body.id as string;
  const put = async (more: object) =>
    (
      await request(facade.url)
        .put(`/api/admin/policies/${policyId}`)
        .set(await as("admin"))
        .send({ name: "nightly", cron: "0 3 1 1 *", ...more })
    ).body.retention as unknown;
  expect(await put({})).toBeNull();
  expect(await put({ retention: { last: 1, daily: 2, othersDays: 30 } })).toEqual({
    last: 1,
    daily: 2,
    minProven: 1,
    othersDays: 30,
  });
  const read = await request(facade.url)
    .get(`/api/admin/policies/${policyId}`)
    .set(await as("viewer"));
  expect(read.body.retention).toEqual({ last: 1, daily: 2, minProven: 1, othersDays: 30 });
});

test("the preview names the rules that keep each backup, and changes nothing", async () => {
  for (let time = 0; time < 3; time++) {
    await rig.database.query("UPDATE guests SET last_name = gen_random_uuid()::text WHERE organization_id = $1", [
      organizationId,
    ]);
    backupIds.push((await rig.backUp(organizationId, { policyId })).backupId);
  }
  const { status, body } = await request(facade.url)
    .get(path("retention"))
    .set(await as("viewer"));
  expect([status, body.kept, body.released, body.legalHold]).toEqual([200, 1, 2, null]);
  expect(body.backups.map((each: { keptBy: { rule: string }[] }) => each.keptBy.map(({ rule }) => rule))).toEqual([
    [],
    [],
    ["newest", "proven", "last", "daily"],
  ]);
  expect(body.unneededBytes).toBeGreaterThan(0);
  const others = await request(facade.url)
    .get(path("retention"))
    .set(await facade.as("owner", foreign));
  expect([others.status, others.body.code]).toEqual([404, "OrganizationNotFound"]);
});

test("a legal hold is placed, seen and lifted; while it stands the preview keeps everything", async () => {
  const placed = await request(facade.url)
    .put(path("legal-hold"))
    .set(await as("admin"))
    .send({ reason: "a court asks" });
  expect([placed.status, placed.body]).toMatchObject([
    200,
    { organizationId, reason: "a court asks", placedBy: "admin-1" },
  ]);
  const seen = await request(facade.url)
    .get(path("legal-hold"))
    .set(await as("viewer"));
  expect(seen.body).toEqual({ hold: placed.body });
  expect(await readLegalHold(rig.control, organizationId)).toEqual(placed.body);
  const { body } = await request(facade.url)
    .get(path("retention"))
    .set(await as("viewer"));
  expect([body.legalHold, body.released]).toEqual(["a court asks", 0]);
  expect(await prune()).toMatchObject({ legalHold: true });
  const refused = await request(facade.url)
    .delete(path("legal-hold"))
    .set(await as("admin"));
  expect([refused.status, refused.body.code]).toEqual([403, "Forbidden"]);
  for (let time = 0; time < 2; time++) {
    const lifted = await request(facade.url)
      .delete(path("legal-hold"))
      .set(await as("owner"));
    expect(lifted.status).toBe(204);
  }
  expect(
    (
      await request(facade.url)
        .get(path("legal-hold"))
        .set(await as("viewer"))
    ).body,
  ).toEqual({ hold: null });
  const audited = await rig.database.query<{ action: string; actor: string }>(
    "SELECT action, actor FROM backup.audit_log WHERE organization_id = $1 AND action LIKE 'legal_holds.%' ORDER BY position",
    [organizationId],
  );
  expect(audited).toEqual([
    { action: "legal_holds.insert", actor: "admin-1" },
    { action: "legal_holds.delete", actor: "owner-1" },
  ]);
});

test("links of a download keep its backup; what was let go is listed no longer, and is not found", async () => {
  const download = async (backupId: string | undefined) =>
    await request(facade.url)
      .post(`/api/admin/backup/${backupId}/download`)
      .set(await as("admin"))
      .send({ purpose: "a test" });
  expect((await download(backupIds[1])).status).toBe(200);
  expect(await prune()).toMatchObject({ released: [1] });
  expect((await download(backupIds[0])).body.code).toBe("BackupNotFound");
  const list = await request(facade.url)
    .get("/api/admin/backup")
    .set(await as("viewer"));
  expect(list.body.backups.map((each: { id: string }) => each.id)).toEqual([backupIds[2], backupIds[1]]);
  const gone = await request(facade.url)
    .get(`/api/admin/backup/${backupIds[0]}`)
    .set(await as("viewer"));
  expect([gone.status, gone.body.code]).toEqual([404, "BackupNotFound"]);
  const job = await request(facade.url)
    .get(`/api/admin/jobs/${backupIds[0]}`)
    .set(await as("viewer"));
  expect([job.status, job.body.releasedAt, job.body.links.backup]).toEqual([200, expect.any(String), null]);
});

test("a session can't hold another organization's backup", async () => {
  const bound = { organizationId: foreign, platform: false, actor: "x", role: "owner" };
  const { sessions } = facade.dependencies;
  await rig.database.query("DELETE FROM backup.backup_reads");
  await sessions.run(bound, (session) => session.query("SELECT backup.hold_bound_backup(3, 'x', 60)"));
  expect(await rig.database.query("SELECT organization_id FROM backup.backup_reads")).toEqual([
    { organization_id: foreign },
  ]);
  await expect(
    sessions.run(bound, (session) => session.query("SELECT backup.hold_backup($1, 3, 'x', 60)", [organizationId])),
  ).rejects.toThrow();
});

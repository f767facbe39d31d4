// An organization restored as another one, on the real parts: rows, files, rules, rollback; over HTTP; and the copy is then
// an organization like any other, which is backed up and recovered.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import request from "supertest";
import { approveRestore, finishDryRun, followRestore } from "../../src/client/start-restore.ts";
import { openBoundSessions, readBindingKey } from "../../src/control/bound-sessions.ts";
import { createRestore, getRestore } from "../../src/control/restores.ts";
import { restoreDefaults, type RestoreOrder } from "../../src/domain/restore-run.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { eventually } from "../support/eventually.ts";
import { createFacadeRig, type FacadeRig } from "../support/facade-rig.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { filesBelow } from "../support/files-below.ts";
import { proveBackups } from "../support/prove-backups.ts";
import { openRestoreRig, type RestoreRig } from "../support/restore-rig.ts";

let rig: BackupRig;
let restores: RestoreRig;
let facade: FacadeRig;
let organizationId: string;
let other: string;
let before: Record<string, string>[];

beforeAll(async () => {
  rig = await createBackupRig();
  await rig.startWorker();
  facade = await createFacadeRig(rig);
  [organizationId = "", other = ""] = rig.organizationIds;
  for (const id of rig.organizationIds) await rig.backUp(id);
  before = await everyone();
  restores = await openRestoreRig(rig, { approval: restoreDefaults.approval });
});
afterAll(async () => {
  await facade?.close();
  await rig?.close();
});

const everyone = () => Promise.all(rig.organizationIds.map((id) => checksumsOf(rig, id)));

const start = (asked: Partial<RestoreOrder> = {}) => restores.order({ targetOrganizationId: randomUUID(), ...asked });

const filesOf = (id: string) => filesBelow(join(rig.mediaDir, id));

test("a dry run writes nothing; applied, it has rows and files of its own; backed up and recovered; rolled back, it is gone", async () => {
  const look = await start({ dryRun: true });
  const { differences } = await restores.untilItWaits(look);
  const missing = differences?.reduce((sum, each) => sum + each.missing, 0) ?? 0;
  expect(missing).toBeGreaterThan(100);
  expect(differences?.reduce((sum, each) => sum + each.changed + each.liveOnly + each.taken, 0)).toBe(0);
  await finishDryRun(rig.client, look);
  await followRestore(rig.client, look);
  expect(await rig.database.query("SELECT 1 FROM organizations WHERE id = $1", [look.targetOrganizationId])).toEqual(
    [],
  );

  const order = await start();
  const copy = order.targetOrganizationId;
  await restores.untilItWaits(order);
  await approveRestore(rig.client, order, "test");
  const outcome = await followRestore(rig.client, order);
  const files = await filesOf(organizationId);
  expect(files.size).toBeGreaterThan(0);
  expect(outcome).toMatchObject({
    status: "applied",
    preRestoreSequence: null,
    files: { created: files.size, replaced: 0, same: 0, kept: 0, notInBackup: 0 },
  });
  expect(outcome.applied.reduce((sum, each) => sum + each.inserted, 0)).toBe(missing);
  expect(outcome.rules.length).toBeGreaterThan(0);
  expect(outcome.rules.filter((rule) => rule.offending > 0)).toEqual([]);
  const copied = await filesOf(copy);
  expect([...copied.values()].toSorted()).toEqual([...files.values()].toSorted());
  expect([...copied.keys()].filter((name) => files.has(name))).toEqual([]);
  expect(await getRestore(rig.control, order.restoreId)).toMatchObject({ organizationId, targetOrganizationId: copy });
  expect(await everyone()).toEqual(before);

  await rig.backUp(copy, { proof: "restore" });
  expect((await proveBackups(rig, copy)).manifests).toHaveLength(1);
  const again = await start({ targetOrganizationId: copy, approval: "given" });
  await expect(followRestore(rig.client, again)).rejects.toMatchObject({ code: "CloneRefused" });

  const undone = await restores.rollBack(order.restoreId);
  expect(undone).toMatchObject({ refused: [], files: { removed: files.size, putBack: 0, kept: 0 } });
  expect(undone.tables.reduce((sum, each) => sum + each.deleted, 0)).toBe(missing);
  for (const counts of Object.values(await checksumsOf(rig, copy))) expect(counts).toBe("0 ");
  expect((await filesOf(copy)).size).toBe(0);
  expect(await filesOf(organizationId)).toEqual(files);
  expect(await everyone()).toEqual(before);
  // Its backups stay, and its id with them.
  await expect(followRestore(rig.client, await start({ targetOrganizationId: copy }))).rejects.toMatchObject({
    code: "CloneRefused",
  });
});

test("over HTTP a platform admin orders it; an organization's own roles are told that there is no other organization", async () => {
  const post = async (as: { Authorization: string }, target: string) =>
    await request(facade.url)
      .post("/api/admin/restores")
      .set(as)
      .send({ organizationId, targetOrganizationId: target, dryRun: false, approval: "given", purpose: "a rehearsal" });
  const owner = await facade.as("owner", organizationId);
  for (const target of [other, randomUUID()]) {
    const refused = await post(owner, target);
    expect([refused.status, refused.body.code]).toEqual([404, "OrganizationNotFound"]);
  }
  // Nor by SQL that got into such a session.
  const sessions = openBoundSessions({ url: rig.database.url, bindingKey: await readBindingKey(rig.control) });
  const order = { ...restoreDefaults, restoreId: randomUUID(), organizationId, targetOrganizationId: other };
  const asOwner = { organizationId, platform: false, actor: "olga", role: "owner" };
  const inserted = sessions.run(asOwner, (bound) =>
    createRestore(bound, { ...order, requestedBy: "olga" }, { records: null, targetSealed: null }),
  );
  await expect(inserted).rejects.toMatchObject({ message: expect.stringContaining("42501") });
  await sessions.close();

  const platform = await facade.as("platform", null);
  const foreign = await post(platform, other);
  expect(foreign.status).toBe(202);
  const failed = await eventually("the restore to fail", async () => {
    const row = await getRestore(rig.control, foreign.body.id as string);
    return row.status === "failed" && row;
  });
  expect(failed.errorCode).toBe("CloneRefused");

  const copy = randomUUID();
  const ordered = await post(platform, copy);
  expect(ordered.body).toMatchObject({ organizationId, targetOrganizationId: copy });
  await eventually("the copy to be there", async () => {
    const row = await getRestore(rig.control, ordered.body.id as string);
    if (row.status === "failed") throw new Error(row.errorMessage ?? "");
    return row.status === "applied" && row;
  });
  expect(await rig.database.query("SELECT 1 AS there FROM organizations WHERE id = $1", [copy])).toHaveLength(1);
  expect(await everyone()).toEqual(before);
  const audited = await rig.control.query<{ details: { after: { target_organization_id: string } } }>(
    "SELECT details FROM backup.audit_log WHERE subject = $1 AND action = 'backup_restores.insert'",
    [ordered.body.id],
  );
  expect(audited[0]?.details.after.target_organization_id).toBe(copy);

  // The copy is another organization: the one that was copied can't see it, nor act on it, nor remove its rows.
  const id = ordered.body.id as string;
  const purpose = "not mine any more";
  const get = (path: string) => request(facade.url).get(path).set(owner);
  const act = (what: string, body: object) =>
    request(facade.url).post(`/api/admin/restores/${id}/${what}`).set(owner).send(body);
  const answers = [
    await get(`/api/admin/restores/${id}`),
    await get(`/api/admin/restores/${id}/rows?purpose=look`),
    await act("approve", { purpose }),
    await act("decisions", { rest: { decision: "keep live" } }),
    await act("cancel", {}),
    await act("rollback", { purpose }),
  ];
  expect(answers.map(({ status, body }) => [status, body.code])).toEqual(answers.map(() => [404, "RestoreNotFound"]));
  const log = await get("/api/admin/audit?action=backup_restores.insert&limit=100");
  expect(log.text).toContain("another organization");
  for (const text of [
    log.text,
    (await get("/api/admin/audit?limit=200")).text,
    (await get("/api/admin/restores")).text,
  ])
    for (const stranger of [copy, other]) expect(text).not.toContain(stranger);
  expect((await getRestore(rig.control, id)).status).toBe("applied");
  expect(await rig.database.query("SELECT 1 AS there FROM organizations WHERE id = $1", [copy])).toHaveLength(1);
});

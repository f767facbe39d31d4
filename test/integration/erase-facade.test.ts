// An erasure over HTTP: looked at, confirmed, ordered by an owner, followed to its certificate, honoured afterwards.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import request from "supertest";
import { verifyAuditLog } from "../../src/control/audit-chain.ts";
import { liftLegalHold, placeLegalHold } from "../../src/control/legal-hold.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { storedUnder } from "../support/erase.ts";
import { createFacadeRig, type FacadeRig } from "../support/facade-rig.ts";
import { waitUntil } from "../support/wait-until.ts";

let rig: BackupRig;
let facade: FacadeRig;
let own: string;
let other: string;
let owner: { Authorization: string };
let backupId: string;
let link: string;

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 2, guestsPerWedding: 6, messagesPerWedding: 4 } });
  await rig.startWorker();
  facade = await createFacadeRig(rig);
  [own = "", other = ""] = rig.organizationIds;
  owner = await facade.as("owner", own, { sub: "olga" });
  ({ backupId } = await rig.backUp(own));
  await rig.backUp(other);
  const links = await request(facade.url)
    .post(`/api/admin/backup/${backupId}/download`)
    .set(owner)
    .send({ purpose: "a copy" });
  link = (links.body as { objects: { url: string }[] }).objects.at(-1)?.url ?? "";
});
afterAll(async () => {
  await facade?.close();
  await rig?.close();
});

const path = (organizationId: string): string => `/api/admin/organizations/${organizationId}/erasure`;
const get = (below = "", as = owner) =>
  request(facade.url)
    .get(`${path(own)}${below}`)
    .set(as);
const order = (body: object, as = owner, key?: string) => {
  const sent = request(facade.url).post(path(own)).set(as);
  return (key === undefined ? sent : sent.set("Idempotency-Key", key)).send(body);
};

test("is ordered by an owner alone, with the id to the letter; each refusal is audited and changes nothing", async () => {
  const stored = await storedUnder(rig, own);
  const right = { confirmation: own, purpose: "they left" };
  const refused = [
    [await order(right, await facade.as("admin", own)), 403, "Forbidden"],
    [await order(right, await facade.as("platform", null)), 403, "Forbidden"],
    [await order(right, await facade.as("owner", other)), 404, "OrganizationNotFound"],
    [await order({ ...right, confirmation: own.toUpperCase() }), 422, "ErasureUnconfirmed"],
    [await order({ ...right, confirmation: other }), 422, "ErasureUnconfirmed"],
    [await order({ purpose: "they left" }), 400, "UsageInvalid"],
  ] as const;
  for (const [answer, status, code] of refused) expect([answer.status, answer.body.code]).toEqual([status, code]);
  await placeLegalHold(rig.control, { organizationId: own, reason: "case 9", actor: "legal" });
  const held = await order(right);
  expect([held.status, held.body.code]).toEqual([409, "LegalHoldActive"]);
  expect(held.body.detail).toContain("case 9");
  expect((await get("/preview")).body).toMatchObject({ legalHold: { reason: "case 9" } });
  await liftLegalHold(rig.control, { organizationId: own, actor: "legal" });
  expect((await get()).body.code).toBe("ErasureNotFound");
  expect(await storedUnder(rig, own)).toEqual(stored);
  const audited = await rig.database.query(
    "SELECT 1 FROM backup.audit_log WHERE action = 'organization.erase' AND outcome <> 'allowed'",
  );
  expect(audited.length).toBe(refused.length + 1);
});

test("no session of the facade's role can order one for another organization, or without being an owner", async () => {
  const ask = (organizationId: string, role: string) =>
    facade.dependencies.sessions.run({ organizationId, platform: false, actor: "x", role }, (bound) =>
      bound.query("SELECT backup.order_own_erasure(gen_random_uuid(), false)"),
    );
  await expect(ask(own, "admin")).rejects.toThrow(/42501/);
  const writes = [
    "INSERT INTO backup.backup_erasures (id, organization_id, requested_by) VALUES (gen_random_uuid(), 'x', 'x')",
    "SELECT backup.request_erasure(gen_random_uuid(), 'x', 'x', false)",
    "SELECT backup.forget_organization('x', 'x')",
    "UPDATE backup.backup_erasures SET status = 'erased'",
  ];
  for (const sql of writes)
    await expect(
      facade.dependencies.sessions.run({ organizationId: own, platform: false, actor: "x", role: "owner" }, (bound) =>
        bound.query(sql),
      ),
    ).rejects.toThrow(/42501/);
});

test("is shown before, followed to its end, certified, and done once under one key", async () => {
  const preview = await get("/preview");
  expect(preview.body).toMatchObject({ stored: { keys: 1, manifests: 1 }, legalHold: null, locks: [] });
  expect(preview.body.controlRows.backup_jobs).toBe(1);
  const body = { confirmation: own, purpose: "they left" };
  const first = await order(body, owner, "key-1");
  expect([first.status, first.headers["location"]]).toEqual([202, path(own)]);
  await waitUntil("it is erased", async () => (await get()).body.status === "erased");
  const { body: done } = await get();
  expect(done).toMatchObject({ requestedBy: "olga", error: null, remaining: [] });
  expect(JSON.parse(done.certificate.text)).toMatchObject({ orderedBy: "olga", removed: { keys: 1, manifests: 1 } });
  expect(await storedUnder(rig, own)).toEqual([]);
  const again = await order(body, owner, "key-2");
  expect([again.status, again.body.erasureId]).toEqual([202, done.erasureId]);
  expect((await verifyAuditLog(rig.control)).problems).toEqual([]);
});

test("is honoured by every change and every download afterwards", async () => {
  const purpose = "a test";
  const send = (to: string, body: object) => request(facade.url).post(to).set(owner).send(body);
  const answers = [
    await send("/api/admin/backup", {}),
    await send("/api/admin/backup/trigger", { purpose, at: new Date(Date.now() + 3_600_000).toISOString() }),
    await send("/api/admin/policies", { name: "nightly", cron: "0 2 * * *" }),
    await send("/api/admin/restores", { purpose }),
    await send(`/api/admin/backup/${backupId}/download`, { purpose }),
    await request(facade.url).get(link).set(owner),
  ];
  expect(answers.map(({ status, body }) => [status, body.code])).toEqual(
    answers.map(() => [410, "OrganizationErased"]),
  );
  const lists = await request(facade.url).get("/api/admin/backup").set(owner);
  expect(lists.body).toMatchObject({ backups: [] });
  const status = await request(facade.url).get(`/api/admin/organizations/${own}`).set(owner);
  expect(status.body).toMatchObject({ protection: "erased", policies: 0 });
  const session = await request(facade.url).post("/api/session").set(owner).send({});
  expect(session.status).toBeLessThan(300); // an owner may still come to read the certificate
});

test("leaves the other organization as it is", async () => {
  const theirs = await facade.as("owner", other);
  const { body } = await request(facade.url).get("/api/admin/backup").set(theirs);
  expect((body as { backups: unknown[] }).backups).toHaveLength(1);
  expect((await rig.backUp(other)).sequence).toBe(2);
});

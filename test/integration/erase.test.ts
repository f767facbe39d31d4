// The right to erasure, on the real servers: what goes, what stays and says so, what is refused before and after, and that
// nobody else is touched.
import { randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { followRestore } from "../../src/client/start-restore.ts";
import { followBackup } from "../../src/client/start-backup.ts";
import { applyPolicySchedule } from "../../src/client/policy-schedules.ts";
import { followVerification, requestVerification } from "../../src/client/start-verification.ts";
import { startTriggerAt } from "../../src/client/start-trigger.ts";
import { verifyAuditLog } from "../../src/control/audit-chain.ts";
import { liftLegalHold, placeLegalHold } from "../../src/control/legal-hold.ts";
import { recordTrigger } from "../../src/control/triggers.ts";
import type { ErasureCertificate } from "../../src/domain/erase-run.ts";
import { organizationPrefix } from "../../src/repository/names.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { activityPoints, type ActivityPoint } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { bytesUnder, erase, erasureOf, orderErasure, storedUnder } from "../support/erase.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { outcomeOf } from "../support/outcome.ts";
import { waitUntil } from "../support/wait-until.ts";
import { orderRestore } from "../support/order-restore.ts";
import { keepPolicy, listScheduleIds } from "../support/policies.ts";

let rig: BackupRig;
let release = (): void => {};
const reached: ActivityPoint[] = [];
const id = (index: number): string => rig.organizationIds[index] as string;

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 7, guestsPerWedding: 6, messagesPerWedding: 4 } });
  const released = new Promise<void>((resolve) => (release = resolve));
  await rig.startWorker({
    activityInterceptors: [
      activityPoints({
        pauses: [
          { organizationId: id(3), activity: "uploadBatch", when: "before" },
          { organizationId: id(4), activity: "destroyKeys", when: "before" },
        ],
        released,
        onReached: (point) => reached.push(point),
      }),
    ],
  });
});
afterAll(async () => await rig?.close());

async function restore(organizationId: string, targetOrganizationId = organizationId): Promise<unknown> {
  const order = await orderRestore(rig, { organizationId, targetOrganizationId });
  return await followRestore(rig.client, order);
}

/** Names of the control tables that have rows of it. */
async function tablesWith(organizationId: string): Promise<string[]> {
  const tables = await rig.database.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'
     WHERE c.relnamespace = 'backup'::regnamespace AND c.relkind = 'r' ORDER BY 1`,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await rig.database.query(`SELECT 1 FROM backup.${name} WHERE organization_id = $1 LIMIT 1`, [
      organizationId,
    ]);
    if (rows.length > 0) found.push(name);
  }
  return found;
}

const schedules = () => listScheduleIds(rig.client);

const undoLogs =
  "SELECT restore_id FROM wedsync_restore.undo UNION ALL SELECT restore_id FROM wedsync_restore.undo_inserts";

describe("an erasure", () => {
  let rowsBefore: Record<string, string>;
  let othersRows: Record<string, string>;
  let othersBytes: Record<string, string>;
  let triggerWorkflow: string;
  let verificationKey: string;

  beforeAll(async () => {
    for (const organizationId of [id(0), id(1)]) await rig.backUp(organizationId);
    await rig.database.query("DELETE FROM menus WHERE organization_id = $1", [id(0)]);
    await restore(id(0));
    await applyPolicySchedule(rig.client, await keepPolicy(rig.control, id(0)));
    await applyPolicySchedule(rig.client, await keepPolicy(rig.control, id(1)));
    const triggerId = randomUUID();
    const request = {
      organizationId: id(0),
      policyId: null,
      trigger: "manual",
      requestedBy: "test",
      dataSets: null,
      proof: "none",
    } as const;
    const at = new Date(Date.now() + 3_600_000);
    ({ workflowId: triggerWorkflow } = await startTriggerAt(rig.client, triggerId, request, at));
    await recordTrigger(rig.control, {
      ...request,
      id: triggerId,
      jobId: null,
      runAt: at.toISOString(),
      purpose: "test",
      workflowId: triggerWorkflow,
    });
    verificationKey = (await rig.repository.openVault(id(0))).exportVerificationKey();
    rowsBefore = await checksumsOf(rig, id(0));
    othersRows = await checksumsOf(rig, id(1));
    othersBytes = await bytesUnder(rig, organizationPrefix(id(1)));
    expect((await rig.database.query(undoLogs)).length).toBeGreaterThan(0);
  });

  test("removes everything, tells what it removed, and touches nobody else", async () => {
    const stored = await storedUnder(rig, id(0));
    const outcome = await erase(rig, id(0));
    expect(outcome).toMatchObject({ status: "erased", remaining: [], removed: { keys: 1, manifests: 2 } });
    const { keys, manifests, packs, others } = outcome.removed;
    expect(keys + manifests + packs + others).toBe(stored.length);

    expect(await storedUnder(rig, id(0))).toEqual([]);
    expect(await readdir(`${rig.storeDir}/organizations`)).not.toContain(id(0));
    for (const [key, bytes] of Object.entries(await bytesUnder(rig, ""))) {
      expect(key).not.toContain(id(0));
      expect(Buffer.from(bytes, "base64").includes(id(0))).toBe(false);
    }
    expect(await tablesWith(id(0))).toEqual(["audit_log", "backup_erasures"]);
    expect(await rig.database.query(undoLogs)).toEqual([]);
    expect(await rig.database.query("SELECT 1 FROM wedsync_restore.restores")).toEqual([]);
    expect((await schedules()).filter((each) => each.includes(id(0)))).toEqual([]);
    expect((await rig.client.workflow.getHandle(triggerWorkflow).describe()).status.name).toBe("TERMINATED");

    expect(await checksumsOf(rig, id(0))).toEqual(rowsBefore); // the live data is the app's
    expect(await checksumsOf(rig, id(1))).toEqual(othersRows);
    expect(await bytesUnder(rig, organizationPrefix(id(1)))).toEqual(othersBytes);
    expect((await schedules()).filter((each) => each.includes(id(1)))).toHaveLength(1);
    expect(await rig.backUp(id(1))).toMatchObject({ status: "completed" });
  });

  test("is certified: signed, in the audit log, with what remains", async () => {
    const row = await erasureOf(rig, id(0));
    const text = row.certificate ?? "";
    const certificate = JSON.parse(text) as ErasureCertificate;
    expect(certificate).toMatchObject({
      organizationId: id(0),
      erasureId: row.erasureId,
      repositoryId: rig.repository.id,
      orderedBy: "olga",
      status: "erased",
      keyIds: [expect.stringMatching(/^1\.[0-9a-f]{16}$/)],
      controlRows: { backup_jobs: 2, backup_policies: 1, backup_restores: 1, backup_triggers: 1 },
    });
    expect(certificate.remaining.map(({ what }) => what).join()).toContain("audit log");
    const moments = [certificate.requestedAt, certificate.orderedAt, certificate.keysDestroyedAt];
    expect([...moments].sort()).toEqual(moments);
    const signature = { rootKeyId: row.certificateRoot ?? "", mac: row.certificateMac ?? "" };
    const erasure = (await openRepository(rig.store, rig.key)).erasure(id(0));
    expect(erasure.isSigned(text, signature)).toBe(true);
    expect(erasure.isSigned(text.replace("olga", "otto"), signature)).toBe(false);

    const entries = await rig.database.query<{ details: { certificateText: string; mac: string } }>(
      "SELECT details FROM backup.audit_log WHERE organization_id = $1 AND action = 'organization.erase' AND outcome = 'done'",
      [id(0)],
    );
    expect(entries.map(({ details }) => [details.certificateText, details.mac])).toEqual([[text, signature.mac]]);
    expect((await verifyAuditLog(rig.control)).problems).toEqual([]);
  });

  test("is honoured by everything that could begin for the organization", async () => {
    const erased = { code: "OrganizationErased" };
    const before = await storedUnder(rig, id(0));
    await expect(rig.backUp(id(0))).rejects.toMatchObject(erased);
    await expect(restore(id(0))).rejects.toMatchObject(erased);
    await expect(restore(id(1), id(0))).rejects.toMatchObject(erased);
    await expect(keepPolicy(rig.control, id(0))).rejects.toMatchObject(erased);
    const verification = await requestVerification(rig.client, {
      organizationId: id(0),
      choice: { by: "latest" },
      level: "content",
      requestedBy: "test",
    });
    await expect(followVerification(rig.client, verification)).rejects.toMatchObject(erased);
    expect(await outcomeOf(() => rig.repository.openVault(id(0), { create: true }))).toBe("OrganizationErased");
    expect(before).toEqual([]);
    expect(await storedUnder(rig, id(0))).toEqual([]);
    expect(await tablesWith(id(0))).toEqual(["audit_log", "backup_erasures"]);
    expect(verificationKey).toMatch(/^wsv1\./);
  });

  test("that is ordered again is the same one, unless something came back: then that goes, too", async () => {
    const first = await erasureOf(rig, id(0));
    expect(await erase(rig, id(0), { actor: "otto" })).toMatchObject({ status: "erased", erasureId: first.erasureId });
    expect(await erasureOf(rig, id(0))).toEqual(first);

    await rig.store.create(`${organizationPrefix(id(0))}packs/${"0".repeat(64)}`, Buffer.from("put back"));
    expect(await erase(rig, id(0))).toMatchObject({ status: "erased", removed: { packs: 1, keys: 0, bytes: 8 } });
    expect(await storedUnder(rig, id(0))).toEqual([]);
    expect((await erasureOf(rig, id(0))).certificate).not.toBe(first.certificate);
    expect((await verifyAuditLog(rig.control)).problems).toEqual([]);
  });
});

test("is known by the store where the control tables forgot it, and by them where an old copy of the store forgot it", async () => {
  const [organizationId, before] = [id(6), new Map<string, Buffer>()];
  await rig.backUp(organizationId);
  for await (const { key } of rig.store.list(organizationPrefix(organizationId)))
    before.set(key, await rig.store.read(key));
  await erase(rig, organizationId);

  const [kept] = await rig.database.query(
    "SELECT to_jsonb(e) AS row FROM backup.backup_erasures e WHERE organization_id = $1",
    [organizationId],
  );
  await rig.database.query("DELETE FROM backup.backup_erasures WHERE organization_id = $1", [organizationId]);
  await expect(rig.backUp(organizationId)).rejects.toMatchObject({ code: "OrganizationErased" });
  expect(await storedUnder(rig, organizationId)).toEqual([]);

  await rig.database.query(
    "INSERT INTO backup.backup_erasures SELECT (jsonb_populate_record(NULL::backup.backup_erasures, $1)).*",
    [JSON.stringify(kept?.["row"])],
  );
  for await (const { key } of rig.store.list("erased/")) await rig.store.delete([key]);
  for (const [key, bytes] of before) await rig.store.create(key, bytes);
  // The bucket alone can't know it any more; what begins a backup or a restore does.
  expect(await outcomeOf(() => rig.repository.openVault(organizationId))).toBe("done");
  await expect(rig.backUp(organizationId)).rejects.toMatchObject({ code: "OrganizationErased" });
  await expect(restore(organizationId)).rejects.toMatchObject({ code: "OrganizationErased" });
  expect(await erase(rig, organizationId)).toMatchObject({ status: "erased", removed: { keys: 1, manifests: 1 } });
  expect(await storedUnder(rig, organizationId)).toEqual([]);
});

test("of one that was never backed up leaves the same marks", async () => {
  expect(await erase(rig, id(5))).toMatchObject({ status: "erased", removed: { keys: 0, manifests: 0, bytes: 0 } });
  await expect(rig.backUp(id(5))).rejects.toMatchObject({ code: "OrganizationErased" });
});

test("a legal hold is named, and nothing changes until it is lifted", async () => {
  await rig.backUp(id(2));
  await placeLegalHold(rig.control, { organizationId: id(2), reason: "case 17/26", actor: "legal" });
  const before = await bytesUnder(rig, "");
  const refused = erase(rig, id(2));
  await expect(refused).rejects.toMatchObject({ code: "LegalHoldActive" });
  await expect(refused).rejects.toThrow(/case 17\/26/);
  expect(await bytesUnder(rig, "")).toEqual(before);
  expect(await erasureOf(rig, id(2))).toMatchObject({
    status: "refused",
    errorCode: "LegalHoldActive",
    orderedAt: null,
  });
  expect(await rig.database.query("SELECT 1 FROM backup.backup_leases")).toEqual([]);
  const [entry] = await rig.database.query<{ actor: string; details: { code: string } }>(
    "SELECT actor, details FROM backup.audit_log WHERE organization_id = $1 AND action = 'organization.erase' AND outcome = 'refused'",
    [id(2)],
  );
  expect(entry).toMatchObject({ actor: "olga", details: { code: "LegalHoldActive" } });
  expect(await rig.backUp(id(2))).toMatchObject({ status: "completed" });

  await liftLegalHold(rig.control, { organizationId: id(2), actor: "legal" });
  expect(await erase(rig, id(2))).toMatchObject({ status: "erased" });
});

test("a backup that runs refuses an erasure, and one that is ordered refuses a backup", async () => {
  const running = await rig.request(id(3));
  await waitUntil("the backup is in its middle", () => reached.some((point) => point.organizationId === id(3)));
  await expect(erase(rig, id(3))).rejects.toMatchObject({ code: "OrganizationBusy" });
  expect(await erasureOf(rig, id(3))).toMatchObject({ status: "refused", errorCode: "OrganizationBusy" });

  await rig.backUp(id(4));
  await orderErasure(rig, id(4));
  await waitUntil("the erasure is ordered", () => reached.some((point) => point.organizationId === id(4)));
  await expect(rig.backUp(id(4))).rejects.toMatchObject({ code: "OrganizationErased" });
  // The key is still there, and opens nothing any more.
  expect((await storedUnder(rig, id(4))).some((key) => key.includes("/keys/"))).toBe(true);
  expect(await outcomeOf(() => rig.repository.openVault(id(4)))).toBe("OrganizationErased");

  release();
  expect(await followBackup(rig.client, running)).toMatchObject({ status: "completed" });
  await waitUntil("it is erased", async () => (await erasureOf(rig, id(4))).status === "erased");
  expect(await storedUnder(rig, id(4))).toEqual([]);
});

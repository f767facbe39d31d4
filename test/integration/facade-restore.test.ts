// A restore over HTTP, from the order to the rollback: real facade, worker, Temporal, Postgres and store.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import request from "supertest";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createFacadeRig, type FacadeRig } from "../support/facade-rig.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { waitUntil } from "../support/wait-until.ts";

let rig: BackupRig;
let facade: FacadeRig;
let organizationId: string;
let other: string;
let owner: { Authorization: string };
let foreign: { Authorization: string };
let whole: Record<string, string>;
let othersWhole: Record<string, string>;
/** Before any damage. The newest one won't do: each restore makes a backup of what it finds. */
let backupId: string;

beforeAll(async () => {
  rig = await createBackupRig();
  await rig.startWorker();
  facade = await createFacadeRig(rig, { dependencies: { masks: [{ table: "public.guests", column: "notes" }] } });
  [organizationId = "", other = ""] = rig.organizationIds;
  owner = await facade.as("owner", organizationId, { sub: "olga" });
  foreign = await facade.as("owner", other, { sub: "otto" });
  ({ backupId } = await rig.backUp(organizationId));
  whole = await checksumsOf(rig, organizationId);
  othersWhole = await checksumsOf(rig, other);
});

afterAll(async () => {
  await facade?.close();
  await rig?.close();
});

interface Shown {
  readonly status: string;
  readonly waitsFor: string | null;
  readonly [field: string]: unknown;
}

const path = "/api/admin/restores";
const get = (below: string, as = owner) => request(facade.url).get(`${path}${below}`).set(as);
const post = (below: string, body: object = {}, as = owner) =>
  request(facade.url).post(`${path}${below}`).set(as).send(body);

async function order(asked: object): Promise<string> {
  const answer = await post("", { purpose: "the seating plan is gone", backup: { backupId }, ...asked });
  expect([answer.status, answer.body.code]).toEqual([202, undefined]);
  const { id } = answer.body as { id: string };
  expect(answer.headers["location"]).toBe(`${path}/${id}`);
  return id;
}

async function reaches(id: string, what: string, isThere: (shown: Shown) => boolean): Promise<Shown> {
  let shown: Shown | null = null;
  await waitUntil(`restore ${id} ${what}`, async () => {
    shown = (await get(`/${id}`)).body as Shown;
    if (shown.status === "failed" && what !== "failed") throw new Error(JSON.stringify(shown["error"]));
    return isThere(shown);
  });
  return shown as unknown as Shown;
}

const ends = (id: string, status: string) => reaches(id, status, (shown) => shown.status === status);
const waits = (id: string, what: string) => reaches(id, `waits for ${what}`, (shown) => shown.waitsFor === what);

const loseSeating = () =>
  rig.database.query(
    "DELETE FROM seating_tables WHERE wedding_id IN (SELECT id FROM weddings WHERE organization_id = $1)",
    [organizationId],
  );

test("compared, ordered, approved, applied, rolled back: each step as it is asked for, and nobody else is touched", async () => {
  await loseSeating();
  const damaged = await checksumsOf(rig, organizationId);
  expect(damaged).not.toEqual(whole);

  const look = await order({ dryRun: true });
  const compared = await waits(look, "a look at the dry run");
  expect(compared["differences"]).toContainEqual(
    expect.objectContaining({ table: "public.seating_tables", missing: expect.any(Number), changed: 0 }),
  );
  expect((await post(`/${look}/rollback`, { purpose: "too early" })).body.code).toBe("RollbackRefused");
  expect((await post(`/${look}/finish`)).status).toBe(202);
  await ends(look, "previewed");
  expect(await checksumsOf(rig, organizationId)).toEqual(damaged);

  const id = await order({ dryRun: false });
  await waits(id, "approval");
  expect(await checksumsOf(rig, organizationId)).toEqual(damaged);
  expect((await post(`/${id}/approve`, { purpose: "yes" })).status).toBe(202);
  const applied = await ends(id, "applied");
  expect(applied).toMatchObject({ requestedBy: "olga", error: null, progress: null });
  expect((applied["proofs"] as string[]).length).toBeGreaterThan(0);
  expect(await checksumsOf(rig, organizationId)).toEqual(whole);
  expect((await post(`/${id}/cancel`)).body.code).toBe("JobFinished");

  expect((await post(`/${id}/rollback`, { purpose: "the plan was meant to go" })).status).toBe(202);
  const undone = await ends(id, "rolled_back");
  expect(undone).toMatchObject({ rolledBackBy: "olga", rollback: { refused: [] } });
  expect(await checksumsOf(rig, organizationId)).toEqual(damaged);
  expect(await checksumsOf(rig, other)).toEqual(othersWhole);
  const { restores } = (await get("")).body as { restores: { id: string }[] };
  expect(restores.map((each) => each.id)).toEqual([id, look]);
});

test("conflicts are decided over HTTP, and only while they are open", async () => {
  await rig.database.query(
    "UPDATE guests SET notes = 'scribbled' WHERE id IN (SELECT id FROM guests WHERE organization_id = $1 ORDER BY id LIMIT 2)",
    [organizationId],
  );
  const id = await order({ dryRun: false, strategy: "prompt" });
  await waits(id, "decisions");
  const rows = (asked: string, as = owner) => get(`/${id}/rows?purpose=a%20look&${asked}`, as);
  expect((await get(`/${id}/rows`)).body.faults).toMatchObject([{ field: "query.purpose" }]);
  const first = await rows("limit=1&kind=changed&table=public.guests");
  const second = await rows(`limit=1&after=${first.body.next as number}`);
  const shown = [...first.body.rows, ...second.body.rows] as { number: number; backup: object; differs: string[] }[];
  expect(shown).toHaveLength(2);
  for (const row of shown)
    expect(row).toMatchObject({ table: "public.guests", kind: "changed", differs: ["notes"], masked: ["notes"] });
  expect(shown.map((row) => Object.keys(row.backup))).toEqual([
    expect.not.arrayContaining(["notes"]),
    expect.not.arrayContaining(["notes"]),
  ]);
  expect(`${first.text}${second.text}`).not.toContain("scribbled");
  expect((await rows("", foreign)).body.code).toBe("RestoreNotFound");
  const [entry] = await rig.control.query(
    "SELECT actor, details FROM backup.audit_log WHERE action = 'restore.inspect' AND outcome = 'done' LIMIT 1",
  );
  expect(entry).toMatchObject({ actor: "olga", details: { purpose: "a look" } });
  const strange = await post(`/${id}/decisions`, { decisions: [{ number: 1_000_000, decision: "keep live" }] });
  expect([strange.status, strange.body.code]).toEqual([422, "DecisionInvalid"]);
  const decided = await post(`/${id}/decisions`, { rest: { decision: "take backup" } });
  expect([decided.status, decided.body]).toEqual([200, { undecided: 0 }]);
  expect((await post(`/${id}/approve`, { purpose: "yes" })).status).toBe(202);
  await ends(id, "applied");
  expect(await checksumsOf(rig, organizationId)).toEqual(whole);
  expect((await post(`/${id}/decisions`, { rest: { decision: "keep live" } })).status).toBeGreaterThanOrEqual(400);
  expect((await rows("")).body.code).toBe("RestoreNotWaiting");
});

test("rows that are missing or would be removed are decided over HTTP, too", async () => {
  const made = "00000000-0000-4000-8000-00000000a11e";
  const [gone] = await rig.database.query<{ id: string }>(
    "SELECT id FROM timeline_events WHERE organization_id = $1 ORDER BY id LIMIT 1",
    [organizationId],
  );
  await rig.database.query("DELETE FROM timeline_events WHERE id = $1", [gone?.id]);
  await rig.database.query(
    "INSERT INTO vendors (id, organization_id, name, category) VALUES ($2, $1, 'new', 'florist')",
    [organizationId, made],
  );
  const id = await order({ dryRun: false, strategy: "prompt", liveOnly: "mirror", approval: "given" });
  await waits(id, "decisions");
  const rowsOf = async (kind: string) =>
    ((await get(`/${id}/rows?purpose=look&kind=${kind}`)).body as { rows: { number: number; key: object }[] }).rows;
  const [[extra, ...more], [missing]] = [await rowsOf("live%20only"), await rowsOf("missing")];
  expect([extra?.key, more, missing?.key]).toEqual([{ id: made }, [], { id: gone?.id }]);
  const away = await post(`/${id}/decisions`, { decisions: [{ number: missing?.number, decision: "keep live" }] });
  expect([away.status, away.body]).toEqual([200, { undecided: 1 }]);
  const kept = await post(`/${id}/decisions`, { decisions: [{ number: extra?.number, decision: "keep live" }] });
  expect([kept.status, kept.body]).toEqual([200, { undecided: 0 }]);
  await ends(id, "applied");
  expect(await rig.database.query("SELECT 1 FROM timeline_events WHERE id = $1", [gone?.id])).toEqual([]);
  expect(await rig.database.query("SELECT 1 AS there FROM vendors WHERE id = $1", [made])).toHaveLength(1);
  await rig.database.query("DELETE FROM vendors WHERE id = $1", [made]);
  const back = await order({ dryRun: false, approval: "given" });
  await ends(back, "applied");
  expect(await checksumsOf(rig, organizationId)).toEqual(whole);
});

test("a restore that waits is cancelled, and leaves nothing", async () => {
  await loseSeating();
  const damaged = await checksumsOf(rig, organizationId);
  const id = await order({ dryRun: false });
  await waits(id, "approval");
  expect((await post(`/${id}/cancel`)).status).toBe(202);
  await ends(id, "cancelled");
  expect(await checksumsOf(rig, organizationId)).toEqual(damaged);
  expect(
    await rig.database.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'wedsync\\_restore\\_%'"),
  ).toEqual([]);
});

test("another organization can't see, approve, decide, cancel or roll back a restore, however it names it", async () => {
  const id = await order({ dryRun: false });
  await waits(id, "approval");
  const { restores } = (await get("", foreign)).body as { restores: unknown[] };
  expect(restores).toEqual([]);
  const purpose = "not mine";
  const answers = [
    await get(`/${id}`, foreign),
    await get(`/${id}?organizationId=${organizationId}`, foreign),
    await post(`/${id}/approve`, { purpose }, foreign),
    await post(`/${id}/approve`, { purpose, organizationId }, foreign),
    await post(`/${id}/decisions`, { rest: { decision: "keep live" } }, foreign),
    await post(`/${id}/finish`, {}, foreign),
    await post(`/${id}/cancel`, {}, foreign),
    await post(`/${id}/rollback`, { purpose }, foreign),
    await post("", { purpose, organizationId }, foreign),
  ];
  expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 404));
  for (const { text } of answers) expect(text).not.toContain("olga");
  expect((await get(`/${id}`)).body).toMatchObject({ status: "waiting" });
  expect((await post(`/${id}/cancel`)).status).toBe(202);
  await ends(id, "cancelled");
});

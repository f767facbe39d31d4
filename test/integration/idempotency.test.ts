// Idempotency keys: whose they are, for which request, and for how long.
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import request from "supertest";
import { openBoundSessions, readBindingKey, type BoundSessions } from "../../src/control/bound-sessions.ts";
import { claimKey, keepAnswer, releaseKey, type KeyedRequest } from "../../src/control/idempotency.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createFacadeRig, type FacadeRig } from "../support/facade-rig.ts";

let rig: BackupRig;
let facade: FacadeRig;
let sessions: BoundSessions;
let organizationId: string;

beforeAll(async () => {
  rig = await createBackupRig(); // no worker: nothing that is started here needs to run
  facade = await createFacadeRig(rig);
  sessions = openBoundSessions({ url: rig.database.url, bindingKey: await readBindingKey(rig.control) });
  [organizationId = ""] = rig.organizationIds;
});
beforeEach(() => rig.control.query("DELETE FROM backup.idempotency_keys"));
afterAll(async () => {
  await sessions?.close();
  await facade?.close();
  await rig?.close();
});

const keyed = (change: Partial<KeyedRequest> = {}): KeyedRequest => ({
  organizationId,
  actor: "anna",
  key: "k",
  requestHash: "one",
  ...change,
});
const bound = <T>(work: Parameters<typeof sessions.run<T>>[1]): Promise<T> =>
  sessions.run({ organizationId, platform: false, actor: "anna", role: "admin" }, work);
const claim = async (change: Partial<KeyedRequest> = {}): Promise<string> =>
  (await bound((session) => claimKey(session, keyed(change)))).kind;
const age = (interval: string) =>
  rig.control.query(`UPDATE backup.idempotency_keys SET created_at = now() - interval '${interval}'`);
const answer = { status: 202, body: { id: "made" }, headers: {} };

test("a key is one admin's: another's with the same words is a request of its own", async () => {
  const as = async (sub: string) =>
    await request(facade.url)
      .post("/api/admin/policies")
      .set({ ...(await facade.as("owner", organizationId, { sub })), "Idempotency-Key": "same-words" })
      .send({ name: "nightly", cron: "0 2 * * *" });
  const first = await as("anna");
  expect(first.status).toBe(201);
  expect((await as("anna")).body).toEqual(first.body);
  // Worked on, and so refused for its name: not answered with what anna was told.
  const other = await as("bert");
  expect([other.status, other.body.code]).toEqual([409, "PolicyExists"]);
});

test("the same body to another address is another request", async () => {
  const as = await facade.as("owner", organizationId, { sub: "cara" });
  const post = (path: string) =>
    request(facade.url)
      .post(path)
      .set({ ...as, "Idempotency-Key": "address" })
      .send({ dataSets: null });
  expect((await post("/api/admin/backup")).status).toBe(202);
  const other = await post("/api/admin/backup/trigger");
  expect([other.status, other.body.code]).toEqual([422, "IdempotencyKeyReused"]);
});

test("what died in the middle is taken up after two minutes, by the same request only; what is answered never", async () => {
  expect(await claim()).toBe("new");
  await age("1 minute");
  expect(await claim()).toBe("under way");
  await age("3 minutes");
  expect(await claim({ requestHash: "two" })).toBe("other request");
  expect(await claim()).toBe("new");
  expect(await claim()).toBe("under way"); // from now on it is this one's
  await bound((session) => keepAnswer(session, keyed(), answer));
  await age("3 minutes");
  expect(await claim()).toBe("answered");
});

test("an answer outlives the failure of a late twin, and is forgotten after a day", async () => {
  await claim();
  await bound((session) => keepAnswer(session, keyed(), answer));
  await bound((session) => releaseKey(session, keyed()));
  await age("23 hours");
  expect(await bound((session) => claimKey(session, keyed()))).toEqual({ kind: "answered", answer });
  await age("25 hours");
  expect(await claim({ requestHash: "two" })).toBe("new");
});

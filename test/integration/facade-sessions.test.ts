// Browser sessions: a browser sends their cookie by itself, so each thing that keeps another site, or another session, from
// using it is tried alone.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import request from "supertest";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { openFacades, type FacadeRig } from "../support/facade-rig.ts";

let rig: BackupRig;
let facade: FacadeRig;
let organizationId: string;
const { open, close } = openFacades(() => rig);

beforeAll(async () => {
  rig = await createBackupRig();
  [organizationId = ""] = rig.organizationIds;
  facade = await open();
});
afterAll(async () => {
  await close();
  await rig?.close();
});

async function openSession(sub: string): Promise<{ cookie: string; csrfToken: string }> {
  const answer = await request(facade.url)
    .post("/api/session")
    .set(await facade.as("admin", organizationId, { sub }));
  const [cookie = ""] = answer.headers["set-cookie"] as unknown as string[];
  return { cookie: cookie.split(";")[0] ?? "", csrfToken: answer.body.csrfToken as string };
}

test("another site's page reads nothing by a browser's cookie", async () => {
  const { cookie } = await openSession("anna");
  const read = async (site: string) =>
    (await request(facade.url).get("/api/admin/jobs").set({ Cookie: cookie, "Sec-Fetch-Site": site })).status;
  expect(await Promise.all(["same-origin", "none", "same-site", "cross-site"].map(read))).toEqual([200, 200, 403, 403]);
});

test("a CSRF token is its own session's: another one's changes nothing", async () => {
  const [anna, bert] = [await openSession("anna"), await openSession("bert")];
  const change = async (csrfToken: string) =>
    await request(facade.url)
      .post("/api/admin/policies")
      .set({ Cookie: anna.cookie, "X-CSRF-Token": csrfToken })
      .send({ name: "nightly", cron: "0 2 * * *" });
  const refused = await change(bert.csrfToken);
  expect([refused.status, refused.body.code]).toEqual([403, "Forbidden"]);
  expect(await rig.control.query("SELECT 1 FROM backup.backup_policies")).toEqual([]);
  expect((await change(anna.csrfToken)).status).toBe(201);
});

test("a session does not make another session of itself", async () => {
  const { cookie, csrfToken } = await openSession("anna");
  const answer = await request(facade.url).post("/api/session").set({ Cookie: cookie, "X-CSRF-Token": csrfToken });
  expect([answer.status, answer.body.code, answer.headers["set-cookie"]]).toEqual([401, "Unauthenticated", undefined]);
});

test("behind a proxy that says so, the cookie goes over HTTPS only; nobody else can say so", async () => {
  const cookieOf = async (at: FacadeRig): Promise<string> => {
    const answer = await request(at.url)
      .post("/api/session")
      .set({ ...(await at.as("admin", organizationId)), "X-Forwarded-Proto": "https" });
    return (answer.headers["set-cookie"] as unknown as string[])[0] ?? "";
  };
  expect(await cookieOf(await open({ dependencies: { trustedProxies: 1 } }))).toMatch(/; Secure$/);
  expect(await cookieOf(facade)).not.toContain("Secure");
});

test("beside a token in the header the cookie counts for nothing", async () => {
  const { cookie } = await openSession("anna");
  const ask = async (Authorization: string) =>
    await request(facade.url).get("/api/session").set({ Cookie: cookie, Authorization });
  expect((await ask("Bearer wrong")).status).toBe(401);
  const { Authorization } = await facade.as("viewer", organizationId, { sub: "vera" });
  expect((await ask(Authorization)).body).toMatchObject({ subject: "vera", role: "viewer" });
});

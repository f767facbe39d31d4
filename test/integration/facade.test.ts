// The HTTP API from end to end: real control tables, Temporal, worker and store.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import request from "supertest";
import { createMemoryStore } from "../../src/adapters/object-store/memory.ts";
import { signTicket } from "../../src/facade/download-ticket.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { verifyContent } from "../../src/repository/verify-content.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createFacadeRig, type FacadeRig } from "../support/facade-rig.ts";
import { readPdf } from "../support/read-pdf.ts";
import { waitUntil } from "../support/wait-until.ts";

let rig: BackupRig;
let facade: FacadeRig;
let organizationId: string;
let other: string;
let admin: { Authorization: string };
let foreign: { Authorization: string };
let platform: { Authorization: string };

beforeAll(async () => {
  rig = await createBackupRig();
  facade = await createFacadeRig(rig);
  [organizationId = "", other = ""] = rig.organizationIds;
  admin = await facade.as("admin", organizationId, { sub: "anna" });
  foreign = await facade.as("owner", other, { sub: "otto" });
  platform = await facade.as("platform", null, { sub: "paula" });
  await rig.startWorker();
});

afterAll(async () => {
  await facade?.close();
  await rig?.close();
});

const get = (path: string, as = admin) => request(facade.url).get(path).set(as);
const post = (path: string, body: object = {}, as = admin) => request(facade.url).post(path).set(as).send(body);

async function finished(jobId: string): Promise<void> {
  await waitUntil(`job ${jobId} is over`, async () => {
    const { body } = await get(`/api/admin/jobs/${jobId}`);
    return !["queued", "running"].includes(body.status as string);
  });
}

describe("a backup", () => {
  let jobId: string;

  test("is asked for, runs, and is listed with what it holds", async () => {
    const started = await post("/api/admin/backup", { purpose: "before the import" });
    expect(started.status).toBe(202);
    jobId = started.body.jobId as string;
    expect(started.headers["location"]).toBe(`/api/admin/jobs/${jobId}`);
    await finished(jobId);
    const job = await get(`/api/admin/jobs/${jobId}`);
    expect(job.body).toMatchObject({ status: "completed", requestedBy: "anna", proven: ["content"], error: null });
    const list = await get("/api/admin/backup");
    expect(list.body.backups.map((each: { id: string }) => each.id)).toEqual([jobId]);
    const shown = await get(`/api/admin/backup/${jobId}`);
    const { manifest } = await (await rig.repository.openVault(organizationId)).readManifest(1);
    expect(shown.body.contents.tables).toHaveLength(manifest.tables.length);
    expect(shown.body.job.rows).toBe(manifest.tables.reduce((sum, table) => sum + table.rows, 0));
    const verifications = await get(`/api/admin/verifications?backupId=${jobId}`);
    expect(verifications.body.verifications).toMatchObject([{ level: "content", proven: true }]);
  });

  test("is proven again when that is asked for", async () => {
    const started = await post("/api/admin/verifications", { backup: { backupId: jobId }, level: "content" });
    expect([started.status, started.body.state]).toEqual([202, "running"]);
    const path = started.headers["location"] as string;
    await waitUntil("the verification is over", async () => (await get(path)).body.state !== "running");
    expect((await get(path)).body).toMatchObject({ state: "proven", outcome: { backupId: jobId, level: "content" } });
    expect((await get(path, foreign)).body.code).toBe("VerificationNotFound");
    const none = await post("/api/admin/verifications", { backup: { backupId: other } });
    const failed = none.headers["location"] as string;
    await waitUntil("it is over, too", async () => (await get(failed)).body.state !== "running");
    expect((await get(failed)).body).toMatchObject({
      state: "failed",
      outcome: null,
      error: { code: "BackupNotFound" },
    });
  });

  test("is in the compliance report, as a document, as a page and as a PDF", async () => {
    const { body } = await get("/api/admin/reports/compliance");
    expect(body).toMatchObject({ organizationId, coverage: { backups: 1, completed: 1 } });
    const page = await get("/api/admin/reports/compliance.html");
    expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(page.text).toContain(organizationId);
    const pdf = await get("/api/admin/reports/compliance.pdf").responseType("blob");
    expect(pdf.headers["content-type"]).toBe("application/pdf");
    expect((await readPdf(pdf.body as Buffer)).join("\n")).toContain(organizationId);
    const empty = await get("/api/admin/reports/compliance?from=2001-01-01&to=2001-02-01");
    expect(empty.body.coverage.backups).toBe(0);
    expect((await get("/api/admin/reports/compliance?from=2001-02-01&to=2001-01-01")).body.code).toBe("ValueInvalid");
    expect((await get(`/api/admin/reports/compliance?organizationId=${organizationId}`, foreign)).status).toBe(404);
  });

  test("is not there for another organization, in any way it can be named", async () => {
    for (const path of [
      `/api/admin/jobs/${jobId}`,
      `/api/admin/jobs/${jobId}/events`,
      `/api/admin/backup/${jobId}`,
      `/api/admin/jobs?organizationId=${organizationId}`,
      `/api/admin/organizations/${organizationId}`,
    ]) {
      const answer = await get(path, foreign);
      expect([path, answer.status]).toEqual([path, 404]);
      expect(answer.text).not.toContain("anna");
    }
    expect((await post(`/api/admin/jobs/${jobId}/cancel`, {}, foreign)).status).toBe(404);
    expect((await get(`/api/admin/verifications?backupId=${jobId}`, foreign)).body.verifications).toEqual([]);
  });

  test("and the platform sees it", async () => {
    expect((await get(`/api/admin/jobs/${jobId}`, platform)).body.organizationId).toBe(organizationId);
    const { organizations } = (await get("/api/admin/organizations", platform)).body;
    expect(organizations).toHaveLength(rig.organizationIds.length);
    expect((await post("/api/admin/backup", {}, platform)).body.faults).toMatchObject([
      { field: "query.organizationId" },
    ]);
    const started = await post("/api/admin/backup", { organizationId: other }, platform);
    expect(started.status).toBe(202);
    await waitUntil(
      "the platform's backup is over",
      async () => (await rig.job(started.body.jobId as string).catch(() => null))?.status === "completed",
    );
  });

  test("is downloaded sealed, with all that recovery needs, by links that end", async () => {
    const path = `/api/admin/backup/${jobId}/download`;
    expect((await post(path)).body.faults).toMatchObject([{ field: "body.purpose" }]);
    expect((await post(path, { purpose: "to keep at home" }, foreign)).status).toBe(404);
    const { objects } = (await post(path, { purpose: "to keep at home" })).body as {
      objects: { key: string; sizeBytes: number; url: string }[];
    };
    const copy = createMemoryStore();
    for (const { key, sizeBytes, url } of objects) {
      const response = await fetch(`${facade.url}${url}`, { headers: admin });
      const bytes = Buffer.from(await response.arrayBuffer());
      expect(bytes.length).toBe(sizeBytes);
      await copy.create(key, bytes);
    }
    // The copy alone, with the key, is a repository that opens and reads.
    const vault = await (await openRepository(copy, rig.key)).openVault(organizationId);
    const { manifest } = await vault.readManifest(1);
    expect((await verifyContent(vault, manifest)).problems).toEqual([]);

    const url = objects[0]?.url ?? "";
    expect((await request(facade.url).get(url)).status).toBe(401);
    expect((await get(url, foreign)).status).toBe(404);
    expect((await get(url.replace(/.$/, (last) => (last === "A" ? "B" : "A")))).status).toBe(404);
    const { signingKey } = facade.dependencies;
    const stale = signTicket(signingKey, { organizationId, objectKey: "repository", expiresAtMs: Date.now() - 1 });
    expect((await get(`/api/admin/downloads/${stale}`)).status).toBe(404);
  });

  test("can't be cancelled when it is over", async () => {
    const answer = await post(`/api/admin/jobs/${jobId}/cancel`);
    expect([answer.status, answer.body.code]).toEqual([409, "JobFinished"]);
  });

  test("shows in the organization's status and the statistics", async () => {
    const { body } = await get(`/api/admin/organizations/${organizationId}`);
    expect(body).toMatchObject({ protection: "without policy", lastGoodJobId: jobId, lastProvenLevel: "content" });
    expect((await get("/api/admin/statistics")).body).toMatchObject({ jobsGood: 1, successPercent: 100 });
  });
});

describe("a policy", () => {
  test("is made, read, changed by its version, paused and removed, and Temporal follows", async () => {
    const created = await post("/api/admin/policies", { name: "nightly", cron: "0 2 * * *", timeZone: "Europe/Paris" });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({ organizationId, words: "At 02:00 (Europe/Paris)", version: 1 });
    const path = created.headers["location"] as string;
    const read = await get(path);
    expect(read.headers["etag"]).toBe('"1"');
    expect(read.body.schedule.nextRuns.length).toBeGreaterThan(0);
    expect(read.body.schedule.skippedRuns).toEqual({ stillRunning: 0, missed: 0 });
    expect((await get(path, foreign)).status).toBe(404);

    const values = { name: "nightly", cron: "30 3 * * *" };
    const put = (version: string) => request(facade.url).put(path).set(admin).set("If-Match", version).send(values);
    expect((await put('"7"')).body.code).toBe("PolicyChanged");
    expect((await put('"1"')).headers["etag"]).toBe('"2"');
    expect((await put('"1"')).status).toBe(412);
    expect((await post("/api/admin/policies", values)).body.code).toBe("PolicyExists");

    expect((await post(`${path}/pause`)).body.paused).toBe(true);
    expect((await get(path)).body.schedule.paused).toBe(true);
    expect((await post(`${path}/resume`)).body.paused).toBe(false);
    expect((await request(facade.url).delete(path).set(foreign)).status).toBe(404);
    expect((await request(facade.url).delete(path).set(admin)).status).toBe(204);
    expect((await get(path)).body.code).toBe("PolicyNotFound");
  });

  test("with a cron line, a time zone or a data set that is none is refused by name", async () => {
    const wrong: [object, string][] = [
      [{ name: "x", cron: "61 * * * *" }, "PolicyInvalid"],
      [{ name: "x", cron: "* * * * * *" }, "PolicyInvalid"],
      [{ name: "x", cron: "0 2 * * *", timeZone: "Mars/Olympus" }, "PolicyInvalid"],
      [{ name: "x", cron: "0 2 * * *", dataSets: ["nothing"] }, "ValueInvalid"],
      [{ name: "x", cron: "0 2 * * *", schedule: "extra" }, "UsageInvalid"],
    ];
    for (const [body, code] of wrong) expect((await post("/api/admin/policies", body)).body.code).toBe(code);
    expect((await get("/api/admin/policies")).body.policies).toEqual([]);
  });
});

describe("a trigger", () => {
  test("runs at once, and is in the history", async () => {
    const answer = await post("/api/admin/backup/trigger", { purpose: "a test", proof: "integrity" });
    expect(answer.status).toBe(202);
    await finished(answer.body.jobId as string);
    const { triggers } = (await get("/api/admin/backup/trigger")).body;
    expect(triggers).toMatchObject([{ id: answer.body.id, purpose: "a test", requestedBy: "anna" }]);
    expect((await get("/api/admin/backup/trigger", foreign)).body.triggers).toEqual([]);
  });

  test("waits for its time, and can be cancelled before", async () => {
    const at = new Date(Date.now() + 3_600_000).toISOString();
    const answer = await post("/api/admin/backup/trigger", { at });
    const path = answer.headers["location"] as string;
    expect((await get(path)).body.state).toBe("waiting");
    expect((await request(facade.url).delete(path).set(foreign)).status).toBe(404);
    expect((await request(facade.url).delete(path).set(admin)).status).toBe(204);
    expect((await get(path)).body.state).toBe("cancelled");
    expect((await request(facade.url).delete(path).set(admin)).body.code).toBe("JobFinished");
  });

  test("at a time that has come runs", async () => {
    const answer = await post("/api/admin/backup/trigger", { at: new Date(Date.now() + 300).toISOString() });
    const path = answer.headers["location"] as string;
    await waitUntil("the trigger has run", async () => (await get(path)).body.state === "completed");
  });

  test("in the past, or in a far future, is refused", async () => {
    for (const at of ["2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"])
      expect((await post("/api/admin/backup/trigger", { at })).body.code).toBe("ValueInvalid");
    expect((await post("/api/admin/backup/trigger", { at: "soon" })).body.code).toBe("UsageInvalid");
  });
});

describe("a restore", () => {
  test("of another organization's backup finds none", async () => {
    const { backups } = (await get("/api/admin/backup", foreign)).body as { backups: { id: string }[] };
    const started = await post("/api/admin/restores", { backup: { backupId: backups[0]?.id }, purpose: "a trick" });
    const path = started.headers["location"] as string;
    await waitUntil("it is refused", async () => (await get(path)).body.status === "failed");
    expect((await get(path)).body.error.code).toBe("BackupNotFound");
    const { restores } = (await get("/api/admin/restores")).body as { restores: object[] };
    expect(restores).toMatchObject([{ status: "failed", requestedBy: "anna", dryRun: true }]);
    expect((await get("/api/admin/restores", foreign)).body.restores).toEqual([]);
  });
});

describe("an Idempotency-Key", () => {
  const keyed = (key: string, body: object, as = admin) =>
    post("/api/admin/backup/trigger", body, as).set("Idempotency-Key", key);

  test("makes the same request one request", async () => {
    const at = new Date(Date.now() + 3_600_000).toISOString();
    const answers = await Promise.all(Array.from({ length: 5 }, () => keyed("once", { at })));
    const done = answers.filter((answer) => answer.status === 202);
    expect(answers.every((answer) => answer.status === 202 || answer.body.code === "IdempotencyKeyInUse")).toBe(true);
    expect(new Set(done.map((answer) => answer.body.id)).size).toBe(1);
    const again = await keyed("once", { at });
    expect(again.headers["idempotency-replayed"]).toBe("true");
    expect(again.body).toEqual(done[0]?.body);
    expect(again.headers["location"]).toBe(done[0]?.headers["location"]);
  });

  test("with another request is refused, and is nobody else's", async () => {
    expect((await keyed("once", { purpose: "other" })).body.code).toBe("IdempotencyKeyReused");
    const at = new Date(Date.now() + 3_600_000).toISOString();
    expect((await keyed("once", { at }, foreign)).status).toBe(202);
  });

  test("of a request that failed can be used again", async () => {
    expect((await keyed("failed", { policyId: "00000000-0000-4000-8000-000000000000" })).body.code).toBe(
      "PolicyNotFound",
    );
    expect((await keyed("failed", { policyId: "00000000-0000-4000-8000-000000000000" })).body.code).toBe(
      "PolicyNotFound",
    );
  });
});

describe("live progress", () => {
  interface Event {
    readonly event: string;
    readonly id: string;
    readonly data: Record<string, unknown>;
  }

  async function readEvents(jobId: string, headers: Record<string, string> = {}): Promise<Event[]> {
    const response = await fetch(`${facade.url}/api/admin/jobs/${jobId}/events`, { headers: { ...admin, ...headers } });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const text = await response.text();
    return [...text.matchAll(/event: (.+)\nid: (.+)\ndata: (.+)\n\n/g)].map(
      ([, event = "", id = "", data = "null"]) => ({
        event,
        id,
        data: JSON.parse(data) as Record<string, unknown>,
      }),
    );
  }

  test("ends with the job, asks once for many watchers, and goes on from Last-Event-ID", async () => {
    const { jobId } = (await post("/api/admin/backup")).body as { jobId: string };
    const before = facade.dependencies.watch.asked;
    const streams = await Promise.all(Array.from({ length: 8 }, () => readEvents(jobId)));
    const asked = facade.dependencies.watch.asked - before;
    for (const events of streams) {
      const last = events.at(-1);
      expect(last).toMatchObject({ event: "end", data: { id: jobId, status: "completed" } });
      expect(events.filter((event) => event.event === "progress").length).toBeLessThanOrEqual(asked);
    }
    // Eight watchers that each asked would have asked at least eight times for every event.
    const progress = Math.max(...streams.map((events) => events.length));
    expect(asked).toBeLessThan(8 * progress);
    const seen = streams[0]?.at(-1)?.id ?? "";
    expect((await readEvents(jobId, { "Last-Event-ID": seen })).map((event) => event.event)).toEqual(["end"]);
  });
});

describe("the audit log", () => {
  test("has every request, refused ones too, with what it was for", async () => {
    await get("/api/admin/jobs");
    await get("/api/admin/jobs", await facade.as("viewer", organizationId, { sub: "vera" }));
    await post("/api/admin/backup", {}, await facade.as("viewer", organizationId, { sub: "vera" }));
    const { entries } = (await get("/api/admin/audit?limit=200")).body as { entries: Record<string, unknown>[] };
    expect(entries.find((entry) => entry["actor"] === "vera" && entry["outcome"] === "refused")).toMatchObject({
      action: "backup.start",
      details: { operation: "startBackup", code: "Forbidden" },
    });
    const started = (await get("/api/admin/audit?limit=200&action=backup.start")).body.entries as typeof entries;
    expect(started.some((entry) => JSON.stringify(entry["details"]).includes("before the import"))).toBe(true);
    expect(entries.every((entry) => entry["organizationId"] === organizationId)).toBe(true);
    const hashes = new Set(entries.map((entry) => entry["ipHash"]).filter((hash) => hash !== null));
    expect(hashes.size).toBe(1);
    expect([...hashes][0]).toMatch(/^[0-9a-f]{64}$/);
  });

  test("goes page by page, each entry once", async () => {
    const seen: number[] = [];
    let next: string | null = null;
    do {
      const path: string = `/api/admin/audit?limit=7&outcome=allowed${next === null ? "" : `&cursor=${next}`}`;
      const { body } = await get(path);
      seen.push(...body.entries.map((entry: { position: number }) => entry.position));
      next = body.next as string | null;
    } while (next !== null);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBeGreaterThan(7);
  });
});

describe("a browser session", () => {
  test("reads by cookie, and changes only with its CSRF token and from this site", async () => {
    const opened = await post("/api/session");
    expect(opened.status).toBe(201);
    const [cookie = ""] = opened.headers["set-cookie"] as unknown as string[];
    expect(cookie).toMatch(/^wedsync_session=[^;]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict$/);
    const Cookie = cookie.split(";")[0] ?? "";
    const session = await request(facade.url).get("/api/session").set({ Cookie });
    expect(session.body).toMatchObject({ subject: "anna", role: "admin", organizationId });
    const change = (headers: Record<string, string>) =>
      request(facade.url)
        .post("/api/admin/backup/trigger")
        .set({ Cookie, ...headers })
        .send({ at: new Date(Date.now() + 3_600_000).toISOString() });
    expect((await change({})).status).toBe(403);
    expect((await change({ "X-CSRF-Token": "x".repeat(43) })).status).toBe(403);
    const csrf = { "X-CSRF-Token": session.body.csrfToken as string };
    expect((await change({ ...csrf, "Sec-Fetch-Site": "cross-site" })).status).toBe(403);
    expect((await change({ ...csrf, "Sec-Fetch-Site": "same-origin" })).status).toBe(202);
    const closed = await request(facade.url)
      .delete("/api/session")
      .set({ Cookie, ...csrf });
    expect((closed.headers["set-cookie"] as unknown as string[])[0]).toContain("Max-Age=0");
  });
});

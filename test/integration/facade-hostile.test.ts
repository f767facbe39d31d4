// Hostile input and missing parts: the right status, a problem document, an audit entry; no stack, no secret, no crash.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Pool } from "pg";
import request from "supertest";
import { openBoundSessions } from "../../src/control/bound-sessions.ts";
import { connectClient } from "../../src/client/connect.ts";
import { BackupError } from "../../src/domain/errors.ts";
import { createRateLimits } from "../../src/facade/rate-limits.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { openFacades, type FacadeRig } from "../support/facade-rig.ts";

let rig: BackupRig;
let facade: FacadeRig;
let organizationId: string;
let other: string;
let admin: { Authorization: string };
const { open, close } = openFacades(() => rig);

beforeAll(async () => {
  rig = await createBackupRig();
  facade = await open({ requestTimeoutMs: 500 });
  [organizationId = "", other = ""] = rig.organizationIds;
  admin = await facade.as("owner", organizationId);
});

afterAll(async () => {
  await close();
  await rig?.close();
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
  readonly body: { code?: string; requestId?: string };
}

function expectProblem(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.body.code]).toEqual([status, code]);
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  expect(answer.body.requestId).toBe(answer.headers["x-request-id"]);
  expect(answer.text).not.toMatch(/\bat \S+ \(|node_modules|\.ts:\d|postgres:\/\/|SQLSTATE|password/);
}

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  request(facade.url)
    .post(path)
    .set({ ...admin, "Content-Type": "application/json", ...headers })
    .send(body);
const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const policy = (change: object): string => JSON.stringify({ name: "x", cron: "0 2 * * *", ...change });

describe("a body", () => {
  const wrong: [string, string, Record<string, string>, number, string][] = [
    ["of a megabyte", policy({ name: "x".repeat(1_000_000) }), {}, 413, "RequestTooLarge"],
    ["of a hundred levels", nested(100), {}, 400, "UsageInvalid"],
    ["of ten thousand levels", nested(10_000), {}, 400, "UsageInvalid"],
    ["that is no JSON", "{", {}, 400, "UsageInvalid"],
    ["that is no object", "[1]", {}, 400, "UsageInvalid"],
    ["that is text", "hello", { "Content-Type": "text/plain" }, 415, "MediaTypeUnsupported"],
    ["in an unknown encoding", "{}", { "Content-Encoding": "x" }, 415, "MediaTypeUnsupported"],
    ["with a field that is not known", policy({ admin: true }), {}, 400, "UsageInvalid"],
    ["with a prototype", '{"name":"x","cron":"0 2 * * *","__proto__":{"paused":true}}', {}, 400, "UsageInvalid"],
    ["with a number for a text", policy({ name: 7 }), {}, 400, "UsageInvalid"],
    ["with a text for a number", policy({ jitterSeconds: "7" }), {}, 400, "UsageInvalid"],
    ["with a number too large", policy({ jitterSeconds: 1e300 }), {}, 400, "UsageInvalid"],
    ["with a control character", policy({ name: "a\u0000b" }), {}, 422, "ValueInvalid"],
    ["with a line break", policy({ name: "a\r\nSet-Cookie: x" }), {}, 422, "ValueInvalid"],
    ["with a name that reads backwards", policy({ name: "a\u202eb" }), {}, 422, "ValueInvalid"],
    ["with an empty name", policy({ name: "  " }), {}, 422, "ValueInvalid"],
    ["with another organization", policy({ organizationId: "org-of-somebody" }), {}, 404, "OrganizationNotFound"],
    [
      "with half a surrogate in the organization",
      '{"name":"x","cron":"0 2 * * *","organizationId":"\\ud800"}',
      {},
      422,
      "ValueInvalid",
    ],
  ];
  test.each(wrong)("%s", async (_what, body, headers, status, code) => {
    const before = await rig.control.query("SELECT count(*) FROM backup.backup_policies");
    const answer = await post("/api/admin/policies", body, headers);
    expectProblem(answer, status, code);
    const [entry] = await rig.control.query<{ details: { code: string }; outcome: string }>(
      "SELECT details, outcome FROM backup.audit_log WHERE request_id = $1",
      [answer.body.requestId],
    );
    expect(entry).toMatchObject({ outcome: "refused", details: { code } });
    expect(await rig.control.query("SELECT count(*) FROM backup.backup_policies")).toEqual(before);
  });

  test("of a restore with text that no column can hold is refused before anything is written", async () => {
    for (const key of ["\\u0000", "\\ud800"]) {
      const body = `{"purpose":"x","records":[{"table":"public.guests","key":["${key}"]}]}`;
      expectProblem(await post("/api/admin/restores", body), 422, "ValueInvalid");
    }
    expect(await rig.control.query("SELECT 1 FROM backup.backup_restores")).toEqual([]);
  });

  test("that is well formed SQL stays a name", async () => {
    const name = `'); DROP TABLE backup.backup_jobs; --`;
    const made = await post("/api/admin/policies", policy({ name }));
    expect(made.body.name).toBe(name);
    expect(await rig.control.query("SELECT 1 FROM backup.backup_jobs LIMIT 1")).toEqual([]);
    await request(facade.url)
      .delete(made.headers["location"] as string)
      .set(admin);
  });
});

describe("an address", () => {
  const wrong: [string, string, number, string][] = [
    ["with SQL for an id", "/api/admin/jobs/1'%20OR%20'1'='1", 400, "UsageInvalid"],
    ["that climbs", "/api/admin/jobs/..%2f..%2fetc%2fpasswd", 400, "UsageInvalid"],
    ["with a NUL", "/api/admin/organizations/a%00b", 422, "ValueInvalid"],
    ["that can't be decoded", "/api/admin/organizations/%ff", 400, "UsageInvalid"],
    ["of another organization", "/api/admin/organizations/somebody", 404, "OrganizationNotFound"],
    ["with an unknown parameter", "/api/admin/jobs?admin=1", 400, "UsageInvalid"],
    ["with a parameter twice", "/api/admin/jobs?status=failed&status=running", 400, "UsageInvalid"],
    ["with a limit beyond the largest", "/api/admin/jobs?limit=100000", 400, "UsageInvalid"],
    ["with a negative limit", "/api/admin/jobs?limit=-1", 400, "UsageInvalid"],
    ["with SQL for a filter", "/api/admin/jobs?status=failed'--", 400, "UsageInvalid"],
    [
      "with a forged cursor",
      `/api/admin/jobs?cursor=${Buffer.from('{"at":"now()","id":"x"}').toString("base64url")}`,
      422,
      "ValueInvalid",
    ],
    ["with a cursor that is none", "/api/admin/jobs?cursor=AAAA", 422, "ValueInvalid"],
    ["that is none", "/api/admin/nothing", 404, "RouteNotFound"],
    ["in other letters", "/API/admin/jobs", 404, "RouteNotFound"],
  ];
  test.each(wrong)("%s", async (_what, path, status, code) => {
    expectProblem(await request(facade.url).get(path).set(admin), status, code);
  });

  test("with another organization's place in a list shows one's own", async () => {
    const cursor = Buffer.from(
      JSON.stringify({ at: "2999-01-01T00:00:00.000000Z", id: "ffffffff-ffff-4fff-bfff-ffffffffffff" }),
    ).toString("base64url");
    const { body } = await request(facade.url).get(`/api/admin/jobs?cursor=${cursor}`).set(admin);
    expect(body).toEqual({ jobs: [], next: null });
  });

  test("knows its methods, and says which", async () => {
    for (const method of ["put", "patch", "delete"] as const) {
      const answer = await request(facade.url)[method]("/api/admin/jobs").set(admin);
      expectProblem(answer, 405, "MethodNotAllowed");
      expect(answer.headers["allow"]).toBe("GET, HEAD");
    }
  });
});

describe("a header", () => {
  test("is taken only in the form that it has", async () => {
    const policies = "/api/admin/policies/00000000-0000-4000-8000-000000000000";
    expectProblem(await request(facade.url).delete(policies).set(admin).set("If-Match", "7"), 422, "ValueInvalid");
    const keyed = post("/api/admin/backup", "{}", { "Idempotency-Key": "a b" });
    expectProblem(await keyed, 400, "UsageInvalid");
    const answer = await request(facade.url).get("/api/admin/jobs").set(admin).set("X-Request-Id", "no good id!");
    expect(answer.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("without a token, or with a wrong one, opens nothing", async () => {
    for (const value of [
      "",
      "Bearer",
      "Bearer x",
      "Basic YTpi",
      `Bearer ${"a".repeat(9_000)}`,
      `bearer ${admin.Authorization.slice(7)}x`,
    ])
      expectProblem(
        await request(facade.url).get("/api/admin/jobs").set("Authorization", value),
        401,
        "Unauthenticated",
      );
  });

  test("that claims another address is believed of a trusted proxy only", async () => {
    const hashes = async (rigOfFacade: FacadeRig): Promise<number> => {
      const ids: string[] = [];
      for (const address of ["203.0.113.1", "203.0.113.2"]) {
        const as = await rigOfFacade.as("owner", organizationId);
        ids.push(
          (await request(rigOfFacade.url).get("/api/admin/jobs").set(as).set("X-Forwarded-For", address)).headers[
            "x-request-id"
          ] ?? "",
        );
      }
      const rows = await rig.control.query(
        "SELECT DISTINCT ip_hash FROM backup.audit_log WHERE request_id = ANY($1::text[])",
        [ids],
      );
      return rows.length;
    };
    expect(await hashes(facade)).toBe(1);
    expect(await hashes(await open({ dependencies: { trustedProxies: 1 } }))).toBe(2);
  });
});

test("a body that never ends is cut off", async () => {
  const { port, hostname } = new URL(facade.url);
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        `POST /api/admin/backup HTTP/1.1\r\nHost: x\r\nAuthorization: ${admin.Authorization}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
      );
    });
    let received = "";
    socket.on("data", (chunk) => (received += chunk.toString()));
    socket.on("close", () => resolve(received));
    socket.on("error", reject);
  });
  expect(text).toMatch(/^HTTP\/1\.1 408 /);
});

describe("the rate limits", () => {
  test("are counted together by all processes, for each admin and organization, and told in headers", async () => {
    const limits = { backup: 2, restore: 2, trigger: 1 };
    const [one, two] = [await open({ limits }), await open({ limits })];
    const ask = async (at: FacadeRig, path: string, organization: string, sub: string) =>
      await request(at.url)
        .post(path)
        .set(await at.as("owner", organization, { sub }))
        .send(path.endsWith("trigger") ? { at: new Date(Date.now() + 3_600_000).toISOString() } : {});
    const sub = `limited-${randomBytes(4).toString("hex")}`;
    const first = await ask(one, "/api/admin/backup", organizationId, sub);
    expect([first.status, first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]]).toEqual([
      202,
      "2",
      "1",
    ]);
    expect((await ask(two, "/api/admin/backup", organizationId, sub)).status).toBe(202);
    const refused = await ask(one, "/api/admin/backup", organizationId, sub);
    expectProblem(refused, 429, "RateLimited");
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(3_000);
    expect((await ask(one, "/api/admin/backup", organizationId, `${sub}-other`)).status).toBe(202);
    expect((await ask(one, "/api/admin/backup", other, sub)).status).toBe(202);
    expect((await ask(one, "/api/admin/backup/trigger", organizationId, sub)).status).toBe(202);
    expect((await ask(two, "/api/admin/backup/trigger", organizationId, sub)).status).toBe(429);
  });

  test("that can't decide let nothing start, and reading goes on", async () => {
    const pool = new Pool({ connectionString: "postgres://nobody@127.0.0.1:1/none", connectionTimeoutMillis: 1_000 });
    const broken = await open({ dependencies: { limits: createRateLimits({ kind: "postgres", pool }) } });
    const as = await broken.as("owner", organizationId);
    expectProblem(await request(broken.url).post("/api/admin/backup").set(as).send({}), 503, "RateLimiterUnavailable");
    expect((await request(broken.url).get("/api/admin/backup").set(as)).status).toBe(200);
    await pool.end();
  });
});

describe("without", () => {
  test("the control database, nothing is done and nothing is told", async () => {
    const sessions = openBoundSessions({
      url: "postgres://nobody:secret@127.0.0.1:1/none",
      bindingKey: randomBytes(32),
    });
    const broken = await open({ dependencies: { sessions } });
    const as = await broken.as("owner", organizationId);
    for (const sent of [
      request(broken.url).get("/api/admin/jobs"),
      request(broken.url).post("/api/admin/backup").send({}),
    ]) {
      const answer = await sent.set(as);
      expect(answer.status).toBe(503);
      expect(["ControlDatabaseUnreachable", "AuditUnavailable"]).toContain(answer.body.code);
      expect(answer.text).not.toContain("secret");
    }
    await sessions.close();
  });

  test("Temporal, what needs it is refused by name, and the rest goes on", async () => {
    const connected = await connectClient(rig.temporal);
    const broken = await open({ dependencies: { client: connected.client } });
    await connected.close();
    const as = await broken.as("owner", organizationId);
    const answer = await request(broken.url)
      .post("/api/admin/policies")
      .set(as)
      .send({ name: "lost", cron: "0 2 * * *" });
    expectProblem(answer, 503, "TemporalUnreachable");
    // A policy that Temporal did not take is not there.
    expect((await request(broken.url).get("/api/admin/policies").set(as)).body.policies).toEqual([]);
  });

  test("the source, an organization that is not known can't be told from a wrong one", async () => {
    const listOrganizations = async () => {
      throw new BackupError("SourceUnreachable", "host db.internal:5432 does not answer");
    };
    const broken = await open({ dependencies: { listOrganizations } });
    const as = await broken.as("owner", organizationId);
    const answer = await request(broken.url).post("/api/admin/backup").set(as).send({});
    expectProblem(answer, 503, "SourceUnreachable");
    expect(answer.text).not.toContain("db.internal");
  });
});

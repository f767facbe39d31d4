// The control tables as the facade's role sees them: row-level security against whatever SQL is sent, the audit log's
// chain, and the plans of the list queries.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Client } from "pg";
import { appendAudit } from "../../src/control/audit.ts";
import { verifyAuditLog } from "../../src/control/audit-chain.ts";
import {
  openBoundSessions,
  readBindingKey,
  signBinding,
  type Binding,
  type BoundSessions,
} from "../../src/control/bound-sessions.ts";
import { openControlDatabase, type ControlDatabase } from "../../src/control/control-database.ts";
import { createJobLedger } from "../../src/control/job-ledger.ts";
import { createVerificationLedger } from "../../src/control/verification-ledger.ts";
import { migrateControlTables } from "../../src/control/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

let database: TestDatabase;
let owner: ControlDatabase;
let sessions: BoundSessions;
let bindingKey: Buffer;

const bindingOf = (organizationId: string | null, platform = false): Binding => ({
  organizationId,
  platform,
  actor: `someone-of-${organizationId}`,
  role: "viewer",
});

beforeAll(async () => {
  database = await createTestDatabase();
  await migrateControlTables(database.url);
  owner = openControlDatabase(database.url);
  bindingKey = await readBindingKey(owner);
  sessions = openBoundSessions({ url: database.url, bindingKey });
  for (const organizationId of ["org-a", "org-b"]) {
    await owner.query(
      "INSERT INTO backup.backup_policies (id, organization_id, name, cron) VALUES ($1, $2, 'nightly', '0 2 * * *')",
      [randomUUID(), organizationId],
    );
    const jobId = randomUUID();
    await createJobLedger(owner).openJob({
      jobId,
      organizationId,
      workflowId: `backup/${organizationId}`,
      request: {
        organizationId,
        policyId: null,
        trigger: "manual",
        requestedBy: "test",
        dataSets: null,
        proof: "content",
      },
    });
    const level = "content";
    const problems: [] = [];
    await createVerificationLedger(owner).recordVerification({
      jobId,
      organizationId,
      level,
      objects: 1,
      bytes: 1,
      problems,
      startedAt: new Date(),
    });
  }
});

afterAll(async () => {
  await sessions?.close();
  await owner?.close();
  await database?.drop();
});

const tablesOfOrganizations = async (): Promise<string[]> =>
  (
    await owner.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped
       WHERE c.relnamespace = 'backup'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1`,
    )
  ).map((row) => row.name);

describe("row-level security", () => {
  test("every control table that names an organization has it", async () => {
    const rows = await owner.query<{ name: string }>(
      "SELECT relname AS name FROM pg_class WHERE relnamespace = 'backup'::regnamespace AND relrowsecurity ORDER BY 1",
    );
    expect(rows.map((row) => row.name)).toEqual(await tablesOfOrganizations());
  });

  test("a session sees its own organization's rows in every table, and no other's", async () => {
    for (const table of await tablesOfOrganizations()) {
      const seen = await sessions.run(bindingOf("org-a"), (bound) =>
        bound.query<{ organization_id: string }>(`SELECT DISTINCT organization_id FROM backup.${table}`),
      );
      const all = await owner.query(`SELECT 1 FROM backup.${table} WHERE organization_id = 'org-a' LIMIT 1`);
      expect({ table, seen }).toEqual({ table, seen: all.length === 0 ? [] : [{ organization_id: "org-a" }] });
    }
  });

  test("the platform's session reads all and writes none", async () => {
    const seen = await sessions.run(bindingOf(null, true), (bound) =>
      bound.query("SELECT DISTINCT organization_id FROM backup.backup_policies ORDER BY 1"),
    );
    expect(seen).toHaveLength(2);
    await expect(
      sessions.run(bindingOf(null, true), (bound) => bound.query("UPDATE backup.backup_policies SET paused = true")),
    ).rejects.toMatchObject({ code: "Internal" });
  });

  test("a role that is made after the migrations gets, by the function that the error names, every right and no other", async () => {
    const late = await createTestDatabase();
    try {
      await migrateControlTables(late.url);
      const rights = async () =>
        await late.query(
          `SELECT 'table' AS kind, c.relname AS name, a.privilege_type AS right FROM pg_class c, aclexplode(c.relacl) a
             WHERE c.relnamespace = 'backup'::regnamespace AND a.grantee = 'wedsync_backup_facade'::regrole
           UNION ALL SELECT 'column', c.relname || '.' || t.attname, a.privilege_type FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a
             WHERE c.relnamespace = 'backup'::regnamespace AND a.grantee = 'wedsync_backup_facade'::regrole
           UNION ALL SELECT 'function', p.oid::regprocedure::text, a.privilege_type FROM pg_proc p, aclexplode(p.proacl) a
             WHERE p.pronamespace = 'backup'::regnamespace AND a.grantee = 'wedsync_backup_facade'::regrole
           UNION ALL SELECT 'schema', n.nspname, a.privilege_type FROM pg_namespace n, aclexplode(n.nspacl) a
             WHERE a.grantee = 'wedsync_backup_facade'::regrole
           ORDER BY 1, 2, 3`,
        );
      const before = await rights();
      expect(before.length).toBeGreaterThan(50);
      // Roles belong to the server, so this one can't be dropped here; without a right in this database it is as good as new.
      await late.query("DROP OWNED BY wedsync_backup_facade");
      expect(await rights()).toEqual([]);
      const named = await readBindingKey({
        query: async () => [{ key: Buffer.alloc(0), exists: false }],
      } as never).catch((error: unknown) => String(error));
      const [call = ""] = /SELECT backup\.\w+\(\)/.exec(String(named)) ?? [];
      await late.query(call);
      expect(await rights()).toEqual(before);
    } finally {
      await late.drop();
    }
  });

  // A login of the facade's own, as in production: it can't take back the owner's rights.
  describe("with SQL that wants out", () => {
    let login: Client;
    const name = `facade_${randomUUID().replaceAll("-", "").slice(0, 12)}`;
    beforeAll(async () => {
      await database.query(`CREATE ROLE ${name} LOGIN PASSWORD 'facade-test' IN ROLE wedsync_backup_facade`);
      const url = new URL(database.url);
      url.username = name;
      url.password = "facade-test";
      login = new Client({ connectionString: url.href });
      await login.connect();
    });
    afterAll(async () => {
      await login?.end();
      await database.query(`DROP ROLE ${name}`);
    });
    const hostile = [
      "RESET ROLE",
      "SET ROLE postgres",
      "SET SESSION AUTHORIZATION postgres",
      "SET row_security = off",
      `SELECT set_config('wedsync.binding', '${"0".repeat(64)}:{"organization":"org-b","platform":true,"expires":9999999999}', false)`,
      "SELECT set_config('wedsync.binding', replace(current_setting('wedsync.binding'), 'org-a', 'org-b'), false)",
      "SELECT key FROM backup.binding_key",
      "SELECT backup.write_audit('org-b', 'x', 'x', 'x', 'x', 'done', NULL, NULL, '{}')",
      "ALTER TABLE backup.backup_policies DISABLE ROW LEVEL SECURITY",
      "DROP POLICY bound_organization ON backup.backup_policies",
      "SELECT backup.protect_table('backup.backup_policies')",
      "UPDATE backup.backup_policies SET organization_id = 'org-b'",
      "INSERT INTO backup.backup_policies (id, organization_id, name, cron) VALUES (gen_random_uuid(), 'org-b', 'mine', '0 2 * * *')",
      "DELETE FROM backup.backup_policies WHERE organization_id = 'org-b'",
      "UPDATE backup.backup_jobs SET status = 'failed'",
      "DELETE FROM backup.audit_log",
      "UPDATE backup.audit_log SET actor = 'nobody'",
      "TRUNCATE backup.audit_log",
      "CREATE FUNCTION backup.session_binding2() RETURNS text LANGUAGE sql AS 'SELECT 1'",
      "SELECT * FROM backup.rate_limits",
      "COPY backup.backup_policies TO '/tmp/policies'",
    ];
    test.each(hostile)("%s", async (sql) => {
      await login.query("SELECT set_config('wedsync.binding', $1, false)", [
        signBinding(bindingKey, bindingOf("org-a"), Date.now()),
      ]);
      const before = await owner.query("SELECT * FROM backup.backup_policies WHERE organization_id = 'org-b'");
      await login.query(sql).catch(() => {}); // refused, or without effect: what can be seen afterwards counts
      const { rows } = await login
        .query(
          "SELECT organization_id FROM backup.backup_policies WHERE organization_id <> 'org-a' UNION ALL SELECT organization_id FROM backup.audit_log WHERE organization_id <> 'org-a'",
        )
        .catch((error: Error) => {
          // "SET row_security = off" makes every query an error, which shows nothing.
          if (!error.message.includes("row-level security")) throw error;
          return { rows: [] };
        });
      expect(rows).toEqual([]);
      await login.query("RESET ALL");
      expect(await owner.query("SELECT * FROM backup.backup_policies WHERE organization_id = 'org-b'")).toEqual(before);
      expect((await verifyAuditLog(owner)).problems).toEqual([]);
    });

    test("a stale or foreign signature binds nothing", async () => {
      for (const binding of [
        signBinding(bindingKey, bindingOf("org-a"), Date.now() - 3_600_000),
        signBinding(Buffer.alloc(32), bindingOf("org-a"), Date.now()),
        "",
        "short",
      ]) {
        await login.query("SELECT set_config('wedsync.binding', $1, false)", [binding]);
        expect((await login.query("SELECT 1 FROM backup.backup_policies")).rows).toEqual([]);
      }
    });
  });
});

describe("the audit log", () => {
  test("a change of a control row leaves who, what, before and after", async () => {
    await sessions.run({ ...bindingOf("org-a"), actor: "anna", role: "admin" }, (bound) =>
      bound.query("UPDATE backup.backup_policies SET cron = '0 3 * * *'"),
    );
    const [entry] = await owner.query(
      "SELECT organization_id, actor, actor_role, action, details FROM backup.audit_log WHERE chain = 'org-a' ORDER BY position DESC LIMIT 1",
    );
    expect(entry).toEqual({
      organization_id: "org-a",
      actor: "anna",
      actor_role: "admin",
      action: "backup_policies.update",
      details: { before: { cron: "0 2 * * *" }, after: { cron: "0 3 * * *" } },
    });
  });

  test("nobody changes or removes an entry, the owner neither", async () => {
    for (const sql of [
      "UPDATE backup.audit_log SET actor = 'x'",
      "DELETE FROM backup.audit_log",
      "TRUNCATE backup.audit_log",
    ])
      await expect(database.query(sql)).rejects.toThrow("append-only");
  });

  test("many writers at once keep one chain", async () => {
    const record = {
      action: "backup.read",
      subject: "x",
      outcome: "done",
      ipHash: null,
      requestId: null,
      details: { n: 1 },
    } as const;
    await Promise.all(
      Array.from({ length: 40 }, () => sessions.run(bindingOf("org-a"), (bound) => appendAudit(bound, record))),
    );
    const report = await verifyAuditLog(owner);
    expect(report.problems).toEqual([]);
    expect(report.entries).toBeGreaterThan(40);
  });

  // With the trigger out of the way, as somebody with the owner's rights could have it.
  const tampering: readonly [string, string, RegExp][] = [
    [
      "changed",
      "UPDATE backup.audit_log SET actor = 'someone else' WHERE chain = 'org-a' AND position = 3",
      /entry 3: was changed/,
    ],
    ["removed", "DELETE FROM backup.audit_log WHERE chain = 'org-a' AND position = 3", /entry 3 is missing/],
    [
      "removed at the end",
      "DELETE FROM backup.audit_log WHERE chain = 'org-b' AND position = (SELECT max(position) FROM backup.audit_log WHERE chain = 'org-b')",
      /but should at/,
    ],
    [
      "inserted",
      `UPDATE backup.audit_log SET position = position + 1000 WHERE chain = 'org-b' AND position > 2;
       INSERT INTO backup.audit_log SELECT chain, 3, at, organization_id, actor, actor_role, action, subject, outcome, ip_hash, request_id, details, hash, repeat('a', 64)
       FROM backup.audit_log WHERE chain = 'org-b' AND position = 2`,
      /entry 3: was changed/,
    ],
    ["part of a whole chain", "DELETE FROM backup.audit_log WHERE chain = 'org-b'", /ends at entry 0/],
  ];
  test.each(tampering)("finds an entry that was %s", async (_what, sql, expected) => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query("BEGIN");
      await client.query("ALTER TABLE backup.audit_log DISABLE TRIGGER append_only");
      await client.query(sql);
      const tampered = {
        query: async (text: string, values: readonly unknown[] = []) => (await client.query(text, [...values])).rows,
      };
      expect((await verifyAuditLog(tampered as never)).problems.join("\n")).toMatch(expected);
    } finally {
      await client.query("ROLLBACK");
      await client.end();
    }
  });

  test("anchors find a log that was written anew", async () => {
    const { anchors } = await verifyAuditLog(owner);
    expect((await verifyAuditLog(owner, anchors)).problems).toEqual([]);
    const moved = anchors.map((anchor) => ({ ...anchor, hash: "f".repeat(64) }));
    expect((await verifyAuditLog(owner, moved)).problems).toHaveLength(anchors.length);
    const longer = anchors.map((anchor) => ({ ...anchor, position: anchor.position + 1 }));
    expect((await verifyAuditLog(owner, longer)).problems).toHaveLength(anchors.length);
  });
});

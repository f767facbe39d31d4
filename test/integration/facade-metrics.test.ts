// /metrics: what an alert looks at, from the control tables.
import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { openBoundSessions, readBindingKey, type BoundSessions } from "../../src/control/bound-sessions.ts";
import { openControlDatabase, type ControlDatabase } from "../../src/control/control-database.ts";
import { migrateControlTables } from "../../src/control/migrate.ts";
import { startMetrics } from "../../src/facade/metrics.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

let database: TestDatabase;
let owner: ControlDatabase;
let sessions: BoundSessions;

beforeAll(async () => {
  database = await createTestDatabase();
  await migrateControlTables(database.url);
  owner = openControlDatabase(database.url);
  sessions = openBoundSessions({ url: database.url, bindingKey: await readBindingKey(owner) });
});

afterAll(async () => {
  await sessions?.close();
  await owner?.close();
  await database?.drop();
});

async function scrape(from: BoundSessions): Promise<{ type: string; text: string }> {
  const metrics = await startMetrics(from, { port: 0, host: "127.0.0.1" });
  try {
    expect((await fetch(metrics.url.replace("/metrics", "/other"))).status).toBe(404);
    const response = await fetch(metrics.url);
    return { type: response.headers.get("content-type") ?? "", text: await response.text() };
  } finally {
    await metrics.stop();
  }
}

test("tells each organization's last success and failure, and what is overdue", async () => {
  const run = async (organization: string, status: string, age: string): Promise<void> => {
    await owner.query(
      `INSERT INTO backup.backup_jobs (id, organization_id, trigger, requested_by, status, workflow_id, proof, started_at, finished_at, stored_bytes)
       VALUES ($1, $2, 'schedule', 'x', $3, 'x', 'content', '2026-01-01Z'::timestamptz - $4::interval, '2026-01-02Z', 10)`,
      [randomUUID(), organization, status, age],
    );
  };
  await run("org-a", "completed", "1 day");
  await run("org-a", "failed", "0 days");
  await run("org-b", "failed", "0 days");
  await owner.query(
    "INSERT INTO backup.backup_policies (id, organization_id, name, cron, created_at, updated_at) VALUES ($1, 'org-b', 'nightly', '0 2 * * *', '2026-01-01Z', '2026-01-01Z')",
    [randomUUID()],
  );
  await owner.query(
    `INSERT INTO backup.schedule_skips (policy_id, kind, organization_id, still_running, missed)
     SELECT id, 'backup', organization_id, 1, 2 FROM backup.backup_policies`,
  );
  const { type, text } = await scrape(sessions);
  expect(type).toContain("text/plain");
  const lines = text.split("\n");
  expect(lines).toContain("wedsync_control_up 1");
  const began = Date.parse("2025-12-31T00:00:00Z") / 1000;
  expect(lines).toContain(`wedsync_backup_last_success_timestamp_seconds{organization="org-a"} ${began}`);
  expect(text).not.toContain('last_success_timestamp_seconds{organization="org-b"}');
  expect(lines).toContain('wedsync_backup_overdue_policies{organization="org-b"} 1');
  expect(lines).toContain('wedsync_policy_runs_skipped{organization="org-b"} 3');
  expect(lines).toContain('wedsync_backup_jobs_failed{organization="org-a"} 1');
  expect(lines).toContain('wedsync_backup_stored_bytes{organization="org-a"} 10');
});

test("shows no old figure when the control tables are away", async () => {
  const away = openBoundSessions({ url: "postgres://nobody@127.0.0.1:1/none", bindingKey: randomBytes(32) });
  const { text } = await scrape(away);
  expect(text).toContain("wedsync_control_up 0");
  expect(text).not.toContain("organization=");
  await away.close();
});

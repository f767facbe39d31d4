// The command line around restores, as a person or a script runs it: every command a process of its own, one JSON document
// on stdout, exit codes by the error table.
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { createSampleSchema } from "../../src/samples/generate.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { readPdf } from "../support/read-pdf.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { createTestDatabase } from "../support/test-database.ts";
import { createCommandLine } from "../support/command-line.ts";
import { environmentOf } from "../support/rig-environment.ts";

let rig: BackupRig;
let organizationId: string;

beforeAll(async () => {
  rig = await createBackupRig();
  await rig.startWorker();
  [organizationId = ""] = rig.organizationIds;
  for (const id of rig.organizationIds) await rig.backUp(id);
});
afterAll(async () => await rig.close());

async function cli(...parameters: string[]): Promise<{ code: number | null; json: never; said: string }> {
  const { code, stdout, stderr } = await createCommandLine(environmentOf(rig)).run(["--json", ...parameters]);
  return { code, json: JSON.parse(stdout) as never, said: stderr };
}

const spoil = () =>
  rig.database.query("UPDATE guests SET notes = 'spoilt' WHERE organization_id = $1", [organizationId]);

test("without somebody to ask, nothing is applied that was not approved", async () => {
  const { code, json } = await cli("restore", "-o", organizationId);
  expect([code, json]).toMatchObject([2, { error: { code: "UsageInvalid" } }]);
});

test("a dry run, a prompt restore decided by a file, and its rollback", async () => {
  const before = await checksumsOf(rig, organizationId);
  await spoil();
  const spoilt = await checksumsOf(rig, organizationId);
  const look = await cli("restore", "-o", organizationId, "--backup", "1", "--dry-run");
  expect([look.code, look.json]).toMatchObject([0, { status: "previewed" }]);
  expect(await checksumsOf(rig, organizationId)).toEqual(spoilt);

  const [guest] = await rig.database.query<{ id: string }>(
    "SELECT id FROM guests WHERE organization_id = $1 ORDER BY id LIMIT 1",
    [organizationId],
  );
  const file = join(rig.folder, "decisions.yaml");
  const rows = [{ table: "public.guests", key: { id: guest?.id }, decision: "keep live" }];
  await writeFile(file, JSON.stringify({ rows, rest: "take backup" }));
  const prompt = ["--backup", "1", "--conflict", "prompt", "--decisions", file, "--yes"];
  const restored = await cli("restore", "-o", organizationId, ...prompt);
  expect([restored.code, restored.json]).toMatchObject([0, { status: "applied", decidedByDefault: 0 }]);
  const kept = await rig.database.query<{ id: string }>(
    "SELECT id FROM guests WHERE organization_id = $1 AND notes = 'spoilt'",
    [organizationId],
  );
  expect(kept.map(({ id }) => id)).toEqual([guest?.id]);

  const { restoreId } = restored.json as { restoreId: string };
  const undone = await cli("rollback", restoreId);
  expect([undone.code, undone.json]).toMatchObject([0, { refused: [] }]);
  expect(await checksumsOf(rig, organizationId)).toEqual(spoilt);
  expect(await cli("rollback", restoreId)).toMatchObject({ code: 1, json: { error: { code: "RestoreNotFound" } } });

  const whole = await cli("restore", "-o", organizationId, "--backup", "1", "--yes");
  expect(whole.code).toBe(0);
  expect(await checksumsOf(rig, organizationId)).toEqual(before);
  const { json } = await cli("restores", "-o", organizationId);
  expect(json).toMatchObject([{ status: "applied" }, { status: "rolled_back" }, { status: "previewed" }]);
});

test("a file decides rows that would be removed and rows that are missing; a row in which nothing differs is refused by its place", async () => {
  const before = await checksumsOf(rig, organizationId);
  const [note] = await rig.database.query<{ id: string; other: string }>(
    "SELECT min(id::text) AS id, max(id::text) AS other FROM timeline_events WHERE organization_id = $1",
    [organizationId],
  );
  const [kept, removed] = ["00000000-0000-4000-8000-00000000a11e", "00000000-0000-4000-8000-00000000b0b0"];
  for (const id of [kept, removed])
    await rig.database.query(
      "INSERT INTO vendors (id, organization_id, name, category) VALUES ($2, $1, 'new', 'florist')",
      [organizationId, id],
    );
  await rig.database.query("DELETE FROM timeline_events WHERE id = $1", [note?.id]);
  const live = await checksumsOf(rig, organizationId);
  const file = join(rig.folder, "decisions.yaml");
  const mirror = ["--backup", "1", "--conflict", "prompt", "--decisions", file, "--yes", "--live-only"];
  const vendor = (id: string, decision: string) => ({ table: "public.vendors", key: { id }, decision });
  const event = (id: string | undefined) => ({ table: "public.timeline_events", key: { id }, decision: "keep live" });

  await writeFile(file, JSON.stringify({ rows: [event(note?.id), event(note?.other)], rest: "take backup" }));
  const strange = await cli("restore", "-o", organizationId, ...mirror, "mirror");
  expect(strange).toMatchObject({ code: 2, json: { error: { code: "UsageInvalid" } } });
  expect(JSON.stringify(strange.json)).toContain("row 2 (public.timeline_events)");
  expect(JSON.stringify(strange.json)).not.toContain(note?.other);
  await writeFile(file, JSON.stringify({ rows: [vendor(kept, "take backup")], rest: "take backup" }));
  await spoil(); // else nothing would be asked about
  const keeps = await cli("restore", "-o", organizationId, ...mirror, "keep");
  expect(JSON.stringify(keeps.json)).toContain("--live-only mirror asks about each");
  await cli("restore", "-o", organizationId, "--backup", "1", "--table", "public.guests", "--yes");
  expect(await checksumsOf(rig, organizationId)).toEqual(live);

  const rows = [vendor(kept, "keep live"), vendor(removed, "take backup"), event(note?.id)];
  await writeFile(file, JSON.stringify({ rows, rest: "take backup" }));
  const restored = await cli("restore", "-o", organizationId, ...mirror, "mirror");
  expect([restored.code, restored.json]).toMatchObject([0, { status: "applied", decidedByDefault: 0 }]);
  const vendors = await rig.database.query("SELECT id FROM vendors WHERE id = ANY ($1)", [[kept, removed]]);
  expect(vendors).toEqual([{ id: kept }]);
  expect(await rig.database.query("SELECT 1 FROM timeline_events WHERE id = $1", [note?.id])).toEqual([]);
  expect((await cli("restore", "-o", organizationId, "--backup", "1", "--live-only", "mirror", "--yes")).code).toBe(0);
  expect(await checksumsOf(rig, organizationId)).toEqual(before);
});

test("a restore that was ordered waits, is shown, and can be approved or cancelled by other commands", async () => {
  await spoil();
  const ordered = await cli("restore", "-o", organizationId, "--backup", "1", "--no-wait");
  const { restoreId } = ordered.json as { restoreId: string };
  for (;;) {
    const { json } = await cli("restores", "show", restoreId);
    const { status } = json as { status: string };
    if (status === "waiting") break;
    expect(["requested", "running"]).toContain(status);
  }
  const { json } = await cli("restores", "rows", restoreId, "--kind", "changed", "--limit", "2");
  expect(json).toMatchObject({ rows: [{ kind: "changed", differs: ["notes"] }, { kind: "changed" }] });
  const approved = await cli("restores", "approve", restoreId);
  expect([approved.code, approved.json]).toMatchObject([0, { status: "applied" }]);
});

test("complete loss: every organization comes back whole into a database that holds only the app's empty tables", async () => {
  const here: Record<string, Record<string, string>> = {};
  for (const id of rig.organizationIds) here[id] = await checksumsOf(rig, id);
  const database = await createTestDatabase();
  const source = createPostgresSource({ url: database.url });
  const there = (id: string) => checksumsOf({ source, catalogue: rig.catalogue, database }, id);
  try {
    await createSampleSchema(database.url);
    const empty = await there(organizationId);
    expect(empty).not.toEqual(here[organizationId]);
    let last = "";
    for (const id of rig.organizationIds) {
      const backup = ["--backup", "1", "--target-database-url", database.url];
      const { code, json } = await cli("restore", "-o", id, ...backup, "--yes");
      expect([code, json]).toMatchObject([0, { status: "applied", preRestoreSequence: null }]);
      expect((json as { rules: { offending: number }[] }).rules.filter(({ offending }) => offending > 0)).toEqual([]);
      expect(await there(id)).toEqual(here[id]);
      last = (json as { restoreId: string }).restoreId;
    }
    const [lastId = ""] = rig.organizationIds.slice(-1);
    expect((await cli("rollback", last)).code).toBe(0);
    expect(await there(lastId)).toEqual(empty);
    expect(await there(organizationId)).toEqual(here[organizationId]);
    // The URL holds a password: it is sealed in the control tables.
    const [row] = await rig.database.query<{ row: string }>(
      "SELECT r::text AS row FROM backup.backup_restores r WHERE id = $1",
      [last],
    );
    expect(row?.row).not.toContain(database.name);
  } finally {
    await source.close();
    await database.drop();
  }
  // The source was read from, never written to.
  for (const id of rig.organizationIds) expect(await checksumsOf(rig, id)).toEqual(here[id]);
});

test("catalogue check says which kept backups a migration would keep from coming back", async () => {
  expect(await cli("catalogue", "check")).toMatchObject({
    code: 0,
    json: { backups: { organizations: 3, older: 0, drift: [] } },
  });
  await rig.database.query("ALTER TABLE vendors ADD COLUMN must_have text");
  await rig.database.query("UPDATE vendors SET must_have = ''");
  await rig.database.query("ALTER TABLE vendors ALTER COLUMN must_have SET NOT NULL");
  try {
    const { code, json } = await cli("catalogue", "check");
    const blocking = { table: "public.vendors", column: "must_have", effect: "blocks", organizations: 3 };
    expect([code, json]).toMatchObject([1, { backups: { older: 3, drift: [blocking] } }]);
  } finally {
    await rig.database.query("ALTER TABLE vendors DROP COLUMN must_have");
  }
});

test("the report's figures are those of the runs, and its page holds them", async () => {
  expect((await cli("verify", "-o", organizationId, "--level", "restore")).code).toBe(0);
  const page = join(rig.folder, "report.html");
  const pdf = join(rig.folder, "report.pdf");
  const { code, json } = await cli("report", "-o", organizationId, "--html", page, "--pdf", pdf);
  const [jobs] = await rig.database.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM backup.backup_jobs WHERE organization_id = $1",
    [organizationId],
  );
  expect([code, json]).toMatchObject([
    0,
    { coverage: { backups: jobs?.count, failed: 0 }, restores: { rolledBack: 1 } },
  ]);
  expect((json as { recoveryTime: { lastShownSeconds: number } }).recoveryTime.lastShownSeconds).toBeGreaterThan(0);
  expect(await readFile(page, "utf8")).toContain(organizationId);
  expect((await readPdf(pdf)).join("\n")).toContain(organizationId);
  for (const path of [page, pdf]) expect((await stat(path)).mode & 0o077).toBe(0);
});

// What only organizations of some size meet: two sessions that stage at the same time, two processes that read for one
// statement, an undo log that keeps rows a thousand at a time.
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { mapRestoreError } from "../../src/adapters/postgres/restore/map-restore-error.ts";
import { withContext } from "../../src/adapters/postgres/restore/restore-context.ts";
import { BackupError } from "../../src/domain/errors.ts";
import type { BackupContent } from "../../src/ports/restore-target.ts";
import { outcomeOf } from "../support/outcome.ts";
import { createRestoreFixture, restore, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE letters (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, words text NOT NULL);
  CREATE TABLE replies (id integer PRIMARY KEY, letter_id integer NOT NULL REFERENCES letters, words text NOT NULL);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO letters SELECT n, 1 + n % 2, repeat(md5(n::text), 16384) FROM generate_series(1, 60) n;
  INSERT INTO replies SELECT n, 1 + n % 60, repeat(md5(n::text), 4096) FROM generate_series(1, 60) n;
`;

describe("restoring a large organization", () => {
  let fixture: RestoreFixture;
  let backup: BackupContent;
  beforeEach(async () => {
    fixture = await createRestoreFixture(schemaSql, catalogueOf(["public.orgs", "public.letters", "public.replies"]));
    backup = await fixture.backUp("1");
  });
  afterEach(() => fixture.drop());

  const stagingSchemas = async (): Promise<number> =>
    (await fixture.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'wedsync\\_restore\\_%'")).length;

  test("stages by two sessions, and brings every row back and nobody else's", async () => {
    const [before, others] = [await fixture.rows("1"), await fixture.fingerprint("2")];
    await fixture.query("DELETE FROM replies USING letters l WHERE l.id = letter_id AND l.org_id = 1");
    await fixture.query("UPDATE letters SET words = 'lost' WHERE org_id = 1");
    const input = fixture.plan("1", backup);
    await fixture.target.stage(input, () => {});
    const [made] = await fixture.query<{ sessions: number }>(
      "SELECT count(DISTINCT c.xmin::text)::integer AS sessions FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname LIKE 'wedsync\\_restore\\_%' AND c.relname ~ '^s[0-9]+$'",
    );
    expect(made?.sessions).toBe(2);
    await restore(fixture, input);
    expect(await fixture.rows("1")).toEqual(before);
    expect(await fixture.fingerprint("2")).toEqual(others);
  });

  test("that fails in one session names it, and leaves no staging behind", async () => {
    const broken = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from("1\t1\tdear\n");
      throw new BackupError("ObjectCorrupt", "a pack is damaged");
    };
    const tables = backup.tables.map((table) =>
      table.table === "public.replies" ? { ...table, readRows: broken } : table,
    );
    const input = fixture.plan("1", { ...backup, tables });
    expect(await outcomeOf(() => fixture.target.stage(input, () => {}))).toBe("ObjectCorrupt");
    expect(await stagingSchemas()).toBe(0);
    // Another attempt is not hindered by what the first one left.
    await restore(fixture, { ...input, backup });
  });
});

const manySql = String.raw`
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE notes (org_id integer NOT NULL REFERENCES orgs, name text, size numeric, seen text DEFAULT 'no', PRIMARY KEY (org_id, name));
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO notes SELECT 1 + o, format('%s, "NULL" {\%s}', n, n), n FROM generate_series(1, 2500) n, generate_series(0, 1) o;
`;

describe("restoring thousands of rows", () => {
  let fixture: RestoreFixture;
  beforeEach(async () => {
    fixture = await createRestoreFixture(manySql, catalogueOf(["public.orgs", "public.notes"]));
  });
  afterEach(() => fixture.drop());

  test("that were gone keeps their keys and hashes, and takes them back exactly", async () => {
    const backup = await fixture.backUp("1");
    const [before, others] = [await fixture.rows("1"), await fixture.fingerprint("2")];
    await fixture.query("DELETE FROM notes WHERE org_id = 1; DELETE FROM orgs WHERE id = 1");
    const input = fixture.plan("1", backup);
    await restore(fixture, input);
    expect(await fixture.rows("1")).toEqual(before);
    expect(
      await fixture.query(
        "SELECT table_name AS of, cardinality(keys) AS rows FROM wedsync_restore.undo_inserts ORDER BY 1, 2",
      ),
    ).toEqual([
      { of: "public.notes", rows: 500 },
      { of: "public.notes", rows: 1000 },
      { of: "public.notes", rows: 1000 },
      { of: "public.orgs", rows: 1 },
    ]);

    await fixture.query("UPDATE notes SET seen = 'yes' WHERE org_id = 1 AND name LIKE '7, %'");
    await fixture.query("DELETE FROM notes WHERE org_id = 1 AND name LIKE '1800, %'");
    await expect(fixture.target.rollback(input.restoreId, { partial: false })).rejects.toMatchObject({
      code: "RollbackRefused",
      details: {
        refused: expect.arrayContaining(["public.notes: 1 rows changed since", "public.notes: 1 rows removed since"]),
      },
    });
    await fixture.query("UPDATE notes SET seen = 'no' WHERE org_id = 1 AND seen = 'yes'");
    await fixture.query(
      "INSERT INTO notes SELECT 1, name, size, seen FROM notes WHERE org_id = 2 AND name LIKE '1800, %'",
    );
    expect(await fixture.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
    expect(await fixture.rows("1")).toEqual({ "public.notes": [], "public.orgs": [] });
    expect(await fixture.fingerprint("2")).toEqual(others);
    expect(await fixture.target.forget("1", [])).toEqual({ undoRows: 2501 });
    expect(await fixture.query("SELECT 1 FROM wedsync_restore.undo_inserts")).toEqual([]);
  });

  test("finds rows that exist only live where as many are missing, and keeps their numbers", async () => {
    const backup = await fixture.backUp("1");
    await fixture.query(
      "DELETE FROM notes WHERE org_id = 1 AND size <= 3; INSERT INTO notes VALUES (1, 'new', 1), (1, 'newer', 2), (1, 'newest', 3)",
    );
    await fixture.query("UPDATE notes SET size = 4.0 WHERE org_id = 1 AND size = 4");
    const input = fixture.plan("1", backup, { liveOnly: "mirror" });
    await fixture.target.stage(input, () => {});
    const kinds = { missing: 3, changed: 1, liveOnly: 3, same: 2496, taken: 0 };
    expect(await fixture.target.diff(input)).toContainEqual({ table: "public.notes", ...kinds });
    const { rows } = await fixture.target.readDifferences(input.restoreId, {
      table: null,
      kind: null,
      after: 0,
      limit: 20,
    });
    expect(rows.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    await fixture.query("DELETE FROM notes WHERE org_id = 1 AND name = 'new'");
    expect(await fixture.target.diff(input)).toContainEqual({ table: "public.notes", ...kinds, liveOnly: 2 });
    const again = await fixture.target.readDifferences(input.restoreId, {
      table: null,
      kind: null,
      after: 0,
      limit: 20,
    });
    expect(again.rows.map(({ number, kind }) => [number, kind])).toEqual(
      rows.filter(({ key }) => key["name"] !== "new").map(({ number, kind }) => [number, kind]),
    );
  });

  test("goes on with one process where the server has no room for two", async () => {
    const input = fixture.plan("1", await fixture.backUp("1"));
    const workers: (string | null)[] = [];
    await withContext(fixture.database.url, input, async ({ session }) => {
      await session.beginSnapshot("comparing");
      workers.push(await session.value("SHOW max_parallel_workers_per_gather", "comparing"));
      const full = Object.assign(new Error("could not resize shared memory segment"), { code: "53100" });
      if (workers.length === 1) throw mapRestoreError(full, "comparing");
    });
    expect(workers).toEqual(["1", "0"]);
  });
});

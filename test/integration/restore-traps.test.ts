// Traps that a restore into a shared database can fall into, each by name.
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { Client } from "pg";
import type { BackupContent } from "../../src/ports/restore-target.ts";
import { asPlainRole } from "../support/as-plain-role.ts";
import { createRestoreFixture, optionsOf, restore, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;
  CREATE TABLE orgs (id integer PRIMARY KEY, name text NOT NULL, main_task integer);
  CREATE TABLE guests (
    id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs ON DELETE CASCADE, email public.citext, points numeric, raw json,
    seat integer, shout text GENERATED ALWAYS AS (upper(email::text)) STORED, updated_at timestamptz NOT NULL DEFAULT '2025-01-01Z',
    UNIQUE (org_id, seat), UNIQUE (email));
  CREATE TABLE gifts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, guest_id integer NOT NULL REFERENCES guests ON DELETE CASCADE, what text);
  CREATE TABLE tasks (id serial PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs ON DELETE CASCADE, parent integer REFERENCES tasks, title text);
  ALTER TABLE orgs ADD FOREIGN KEY (main_task) REFERENCES tasks;
  CREATE TABLE visits (org_id integer NOT NULL REFERENCES orgs ON DELETE CASCADE, day date NOT NULL, n integer NOT NULL, note text, PRIMARY KEY (org_id, day, n)) PARTITION BY RANGE (day);
  CREATE TABLE visits_2025 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
  CREATE TABLE visits_rest PARTITION OF visits DEFAULT;
  CREATE TABLE words (org_id integer NOT NULL REFERENCES orgs ON DELETE CASCADE, word text);
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at := now(); RETURN NEW; END';
  CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON guests FOR EACH ROW EXECUTE FUNCTION touch();
`;
const rowsSql = `
  INSERT INTO orgs VALUES (1, 'ours'), (2, 'theirs');
  INSERT INTO guests (id, org_id, email, points, raw, seat) SELECT i, 1 + i / 100, 'Guest' || i || '@x', 1.10, '{"a":1,"a":2}', i FROM generate_series(1, 6) AS i;
  INSERT INTO guests (id, org_id, email, points, raw, seat) SELECT i, 2, 'Guest' || i || '@x', 1.10, '{"a":1,"a":2}', i FROM generate_series(100, 105) AS i;
  INSERT INTO gifts (guest_id, what) SELECT id, 'spoons' FROM guests ORDER BY id;
  INSERT INTO tasks (org_id, title) SELECT 1 + i % 2, 'task ' || i FROM generate_series(1, 8) AS i;
  UPDATE tasks SET parent = id - 2 WHERE id > 2;
  UPDATE orgs SET main_task = (SELECT max(id) FROM tasks WHERE org_id = orgs.id);
  INSERT INTO visits SELECT 1 + i % 2, date '2024-11-01' + i * 30, i, 'v' || i FROM generate_series(1, 20) AS i;
  INSERT INTO words SELECT o, w FROM (VALUES (1), (2)) AS o(o), (VALUES ('same'), ('same'), ('other'), (NULL)) AS w(w);
`;
const catalogue = catalogueOf([
  "public.orgs",
  "public.guests",
  "public.gifts",
  "public.tasks",
  "public.visits",
  "public.words",
]);

describe("a restore into a shared database", () => {
  let fixture: RestoreFixture;
  let backup: BackupContent;
  let before: Record<string, string[]>;
  let others: Record<string, string>;

  beforeEach(async () => {
    fixture = await createRestoreFixture(schemaSql + rowsSql, catalogue);
    others = await fixture.fingerprint("2");
    before = await fixture.rows("1");
    backup = await fixture.backUp("1");
  });
  // Whatever a restore of organization 1 did: not a byte of another's, and no row of theirs written anew.
  afterEach(async () => {
    expect(await fixture.fingerprint("2")).toEqual(others);
    await fixture.drop();
  });

  const mirror = () => restore(fixture, fixture.plan("1", backup, { liveOnly: "mirror" }));
  const expectRestored = async (): Promise<void> => expect(await fixture.rows("1")).toEqual(before);
  /** Damages by `sql`, mirrors, rolls back exactly, and mirrors again. */
  const damageAndMirror = async (sql: string): Promise<void> => {
    await fixture.query(sql);
    const damaged = await fixture.rows("1");
    expect(damaged).not.toEqual(before);
    const input = fixture.plan("1", backup, { liveOnly: "mirror" });
    const { result } = await restore(fixture, input);
    await expectRestored();
    expect(result).toMatchObject({ proofs: expect.arrayContaining(["row checksums of 6 tables"]) });
    expect(await fixture.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
    expect(await fixture.rows("1")).toEqual(damaged);
    await mirror();
    await expectRestored();
  };

  test("refuses a key that another organization holds now, and leaves that row as it is", async () => {
    await fixture.query("DELETE FROM guests WHERE id = 3");
    await fixture.query("INSERT INTO guests (id, org_id, email, seat) VALUES (3, 2, 'thief@x', 77)");
    others = await fixture.fingerprint("2");
    const damaged = await fixture.fingerprint("1");
    const input = fixture.plan("1", backup);
    await fixture.target.stage(input, () => {});
    expect((await fixture.target.diff(input)).find(({ table }) => table === "public.guests")?.taken).toBe(1);
    const page = await fixture.target.readDifferences(input.restoreId, {
      table: "public.guests",
      kind: "taken",
      after: 0,
      limit: 5,
    });
    expect(page.rows.map(({ live }) => live)).toEqual([null]); // another's row is not shown
    await expect(fixture.target.apply(input, optionsOf("overwrite"))).rejects.toMatchObject({
      code: "RestoreConflict",
    });
    expect(await fixture.fingerprint("1")).toEqual(damaged);
  });

  test("refuses a unique value that another organization holds now", async () => {
    await fixture.query("UPDATE guests SET email = 'elsewhere@x' WHERE id = 2");
    await fixture.query("INSERT INTO guests (id, org_id, email, seat) VALUES (200, 2, 'guest2@X', 200)");
    others = await fixture.fingerprint("2");
    await expect(restore(fixture, fixture.plan("1", backup))).rejects.toMatchObject({ code: "RestoreConflict" });
  });

  test("keeps newer children of a parent that it overwrites", async () => {
    await fixture.query("UPDATE guests SET points = 5 WHERE id = 1");
    await fixture.query("INSERT INTO gifts (guest_id, what) VALUES (1, 'newer')");
    await restore(fixture, fixture.plan("1", backup));
    expect(await fixture.query("SELECT what FROM gifts WHERE guest_id = 1 ORDER BY id")).toEqual([
      { what: "spoons" },
      { what: "newer" },
    ]);
  });

  test("keeps newer children of parents whose unique values are swapped", async () => {
    await fixture.query("INSERT INTO gifts (guest_id, what) VALUES (1, 'newer')");
    await fixture.query(
      "UPDATE guests SET seat = NULL WHERE id = 1; UPDATE guests SET seat = 1 WHERE id = 2; UPDATE guests SET seat = 2 WHERE id = 1",
    );
    await restore(fixture, fixture.plan("1", backup));
    expect(await fixture.query("SELECT what FROM gifts WHERE guest_id = 1 ORDER BY id")).toEqual([
      { what: "spoons" },
      { what: "newer" },
    ]);
    expect((await fixture.rows("1"))["public.guests"]).toEqual(before["public.guests"]);
  });

  test("restores unique values that were swapped or went round in a ring", () =>
    damageAndMirror(
      "UPDATE guests SET seat = seat + 1000 WHERE org_id = 1; UPDATE guests SET seat = 1 + (seat - 1000) % 6 WHERE org_id = 1",
    ));

  test("notices 1.1 instead of 1.10", () => damageAndMirror("UPDATE guests SET points = 1.1 WHERE id = 1"));
  test("notices a repeated json key that is gone", () =>
    damageAndMirror(`UPDATE guests SET raw = '{"a":2}' WHERE id = 1`));
  test("notices another case in citext", () => damageAndMirror("UPDATE guests SET email = lower(email) WHERE id = 1"));

  test("leaves generated columns to the database, and sets GENERATED ALWAYS identities again", () =>
    damageAndMirror("DELETE FROM gifts WHERE id < 4; UPDATE guests SET email = 'x' || id WHERE org_id = 1"));

  test("restores self references and circles", () =>
    damageAndMirror(
      "UPDATE orgs SET main_task = NULL WHERE id = 1; UPDATE tasks SET parent = NULL WHERE org_id = 1; DELETE FROM tasks WHERE org_id = 1 AND id < 7",
    ));

  test("restores rows of partitions, also one that moved to another", () =>
    damageAndMirror(
      "DELETE FROM visits WHERE org_id = 1 AND n < 5; UPDATE visits SET day = day + 3650 WHERE org_id = 1 AND n > 15; UPDATE visits SET note = 'x' WHERE org_id = 1",
    ));

  test("restores a table without primary key, copies and NULLs counted", () =>
    damageAndMirror(
      "DELETE FROM words WHERE org_id = 1 AND (word IS NULL OR word = 'same'); INSERT INTO words VALUES (1, 'other'), (1, 'new'), (1, 'new')",
    ));

  test("does not let an updated_at trigger fire", async () => {
    await fixture.query("UPDATE guests SET points = 9 WHERE org_id = 1");
    await restore(fixture, fixture.plan("1", backup));
    await expectRestored();
  });

  test("sequences only go up: behind restored rows they are advanced, ahead of them they stay", async () => {
    await fixture.query(
      "DELETE FROM tasks WHERE org_id = 1 AND id NOT IN (SELECT main_task FROM orgs WHERE main_task IS NOT NULL) AND id NOT IN (SELECT parent FROM tasks WHERE parent IS NOT NULL)",
    );
    await fixture.query("UPDATE orgs SET main_task = NULL WHERE id = 1; DELETE FROM tasks WHERE org_id = 1");
    await fixture.query("DELETE FROM gifts WHERE guest_id < 100");
    await fixture.query("SELECT setval('tasks_id_seq', 2), setval('gifts_id_seq', 5000)");
    const input = fixture.plan("1", backup);
    await restore(fixture, input);
    await expectRestored();
    const read = () =>
      fixture.query(
        "SELECT (SELECT last_value FROM tasks_id_seq)::int AS tasks, (SELECT last_value FROM gifts_id_seq)::int AS gifts",
      );
    const [{ max } = { max: 0 }] = await fixture.query<{ max: number }>("SELECT max(id) FROM tasks WHERE org_id = 1");
    expect(await read()).toEqual([{ tasks: max, gifts: 5000 }]);
    await fixture.target.rollback(input.restoreId, { partial: false });
    expect(await read()).toEqual([{ tasks: max, gifts: 5000 }]);
  });

  describe("for a role that may not SET session_replication_role", () => {
    test("restores parents first, circles and swapped values with the triggers on", async () => {
      await fixture.query("DROP TRIGGER touch ON guests");
      await asPlainRole(fixture, async (plain) => {
        await fixture.query(
          "UPDATE orgs SET main_task = NULL WHERE id = 1; UPDATE tasks SET parent = NULL WHERE org_id = 1; DELETE FROM tasks WHERE org_id = 1; DELETE FROM guests WHERE id IN (4, 5)",
        );
        await fixture.query(
          "UPDATE guests SET seat = 1000 WHERE id = 1; UPDATE guests SET seat = 1 WHERE id = 2; UPDATE guests SET seat = 2 WHERE id = 1",
        );
        const damaged = await fixture.rows("1");
        const input = plain.plan("1", backup, { liveOnly: "mirror" });
        const { result } = await restore(plain, input);
        expect(result).toMatchObject({ proofs: expect.arrayContaining(["triggers ran"]) });
        await expectRestored();
        await plain.target.rollback(input.restoreId, { partial: false });
        expect(await fixture.rows("1")).toEqual(damaged);
      });
    });

    test("moves unique values to and from rows that have to go", async () => {
      await fixture.query(`
        DROP TRIGGER touch ON guests;
        DELETE FROM guests WHERE id = 4;
        UPDATE guests SET seat = 4, email = 'Guest4@x' WHERE id = 1;
        UPDATE guests SET seat = NULL, email = 'moved@x' WHERE id = 2;
        INSERT INTO guests (id, org_id, email, seat) VALUES (7, 1, 'Guest2@x', 2)`);
      await asPlainRole(fixture, async (plain) => {
        const damaged = await fixture.rows("1");
        const input = plain.plan("1", backup, { liveOnly: "mirror" });
        await restore(plain, input);
        await expectRestored();
        expect(await plain.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
        expect(await fixture.rows("1")).toEqual(damaged);
      });
    });

    test("refuses by name where a value of a row that has to go can't be another for a moment", async () => {
      await fixture.query(`
        DROP TRIGGER touch ON guests;
        ALTER TABLE guests ADD COLUMN badge date NOT NULL DEFAULT '2025-01-01';
        UPDATE guests SET badge = badge + id, points = 1;
        ALTER TABLE guests ALTER COLUMN points SET NOT NULL, ADD UNIQUE (badge, points)`);
      others = await fixture.fingerprint("2");
      const withBadges = await fixture.backUp("1");
      await fixture.query(`
        UPDATE guests SET badge = '2024-01-01', points = 2 WHERE id = 2;
        INSERT INTO guests (id, org_id, badge, points) VALUES (7, 1, '2025-01-03', 1)`);
      await asPlainRole(fixture, async (plain) => {
        const damaged = await fixture.fingerprint("1");
        const input = plain.plan("1", withBadges, { liveOnly: "mirror" });
        await expect(restore(plain, input)).rejects.toMatchObject({
          code: "RestoreTargetRefused",
          message: expect.stringContaining("guests_badge_points_key"),
        });
        expect(await fixture.fingerprint("1")).toEqual(damaged);
      });
    });

    test("refuses where a trigger changes what is written, and writes nothing", async () => {
      await asPlainRole(fixture, async (plain) => {
        await fixture.query("UPDATE guests SET points = 9 WHERE id = 1");
        const damaged = await fixture.fingerprint("1");
        await expect(restore(plain, plain.plan("1", backup))).rejects.toMatchObject({ code: "RestoreInvalid" });
        expect(await fixture.fingerprint("1")).toEqual(damaged);
      });
    });
  });

  const loseEverything =
    "UPDATE orgs SET main_task = NULL WHERE id = 1; DELETE FROM tasks WHERE org_id = 1; DELETE FROM words WHERE org_id = 1; DELETE FROM orgs WHERE id = 1";

  test("an organization that is gone comes back whole; its rollback finds a row that changed since", async () => {
    await fixture.query(loseEverything);
    const input = fixture.plan("1", backup);
    await restore(fixture, input);
    await expectRestored();
    await fixture.query("UPDATE gifts SET what = 'forks' WHERE guest_id = 2");
    await fixture.query("DELETE FROM gifts WHERE guest_id = 3");
    await expect(fixture.target.rollback(input.restoreId, { partial: false })).rejects.toMatchObject({
      code: "RollbackRefused",
      details: {
        refused: expect.arrayContaining(["public.gifts: 1 rows changed since", "public.gifts: 1 rows removed since"]),
      },
    });
    await fixture.query("UPDATE gifts SET what = 'spoons' WHERE guest_id = 2");
    await fixture.target.rollback(input.restoreId, { partial: true });
    expect(await fixture.query("SELECT 1 FROM orgs WHERE id = 1")).toEqual([]);
  });

  test("a whole table does not come back without the rows that it refers to", async () => {
    await fixture.query(loseEverything);
    const selection = { dataSets: null, tables: ["public.guests"], records: null };
    await expect(restore(fixture, fixture.plan("1", backup, { selection }))).rejects.toMatchObject({
      code: "RestoreInvalid",
      message: expect.stringContaining("6 rows of public.guests would refer to rows of public.orgs that are not there"),
    });
    expect(await fixture.query("SELECT 1 FROM guests WHERE org_id = 1")).toEqual([]);
  });

  test("rolls back exactly where a trigger that never rests adds something to rows after they are written", async () => {
    await fixture.query(`
      ALTER TABLE gifts ADD COLUMN seen text;
      CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE public.gifts SET seen = now()::text WHERE id = NEW.id; RETURN NULL; END';
      CREATE TRIGGER see AFTER INSERT ON gifts FOR EACH ROW EXECUTE FUNCTION see();
      ALTER TABLE gifts ENABLE ALWAYS TRIGGER see`);
    others = await fixture.fingerprint("2");
    await fixture.query(loseEverything);
    const input = fixture.plan("1", backup);
    await restore(fixture, input);
    expect(await fixture.query("SELECT count(seen)::int AS seen FROM gifts")).toEqual([{ seen: 6 }]);
    expect(await fixture.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
    expect(await fixture.query("SELECT 1 FROM orgs WHERE id = 1")).toEqual([]);
  });

  test("waits for a concurrent edit, sees it and loses no update of a row that it does not restore", async () => {
    await fixture.query("UPDATE guests SET points = 9 WHERE id IN (1, 2)");
    const input = fixture.plan("1", backup, { strategy: "merge" });
    await fixture.query("UPDATE guests SET points = NULL WHERE id = 1");
    await fixture.target.stage(input, () => {});
    await fixture.target.diff(input);
    const editor = new Client({ connectionString: fixture.database.url });
    await editor.connect();
    try {
      await editor.query("BEGIN; UPDATE guests SET points = 42 WHERE id = 1");
      const applying = fixture.target.apply(input, optionsOf("merge"));
      for (let waits = 0; waits === 0;)
        waits = (
          await fixture.query(
            "SELECT 1 FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) UNION ALL SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
          )
        ).length;
      await editor.query("COMMIT");
      expect(await applying).toMatchObject({ applied: true });
    } finally {
      await editor.end();
    }
    // The merge fills only what is empty; started again, it saw that the value was not empty any more.
    expect(await fixture.query("SELECT points::text FROM guests WHERE id = 1")).toEqual([{ points: "42" }]);
  });

  test("refuses to roll back rows that were changed, removed or are needed since, with the list; partly undoes the rest", async () => {
    await fixture.query(
      "DELETE FROM guests WHERE id IN (1, 2); UPDATE guests SET points = 9 WHERE id IN (3, 4); UPDATE visits SET note = 'x' WHERE org_id = 1",
    );
    const input = fixture.plan("1", backup);
    await restore(fixture, input);
    await fixture.query("INSERT INTO gifts (guest_id, what) VALUES (1, 'newer')");
    await fixture.query("UPDATE guests SET points = 77 WHERE id = 3");
    await fixture.query("DELETE FROM guests WHERE id = 4");
    const now = await fixture.fingerprint("1");
    await expect(fixture.target.rollback(input.restoreId, { partial: false })).rejects.toMatchObject({
      code: "RollbackRefused",
      details: {
        refused: expect.arrayContaining([
          "public.guests: 1 rows changed since",
          "public.guests: 1 rows removed since",
          "public.guests: 1 rows needed by newer rows",
        ]),
      },
    });
    expect(await fixture.fingerprint("1")).toEqual(now);
    await fixture.target.rollback(input.restoreId, { partial: true });
    expect(await fixture.query("SELECT id, points::text FROM guests WHERE org_id = 1 ORDER BY id")).toEqual([
      { id: 1, points: "1.10" },
      { id: 3, points: "77" },
      { id: 5, points: "1.10" },
      { id: 6, points: "1.10" },
    ]);
    expect(await fixture.query("SELECT DISTINCT note FROM visits WHERE org_id = 1")).toEqual([{ note: "x" }]);
  });

  test("takes no backup that holds a row of another organization", async () => {
    const forged: BackupContent = {
      ...backup,
      tables: backup.tables.map((table) =>
        table.table !== "public.words"
          ? table
          : {
              ...table,
              async *readRows() {
                const rows: Buffer[] = [];
                for await (const chunk of table.readRows()) rows.push(chunk);
                yield Buffer.from(
                  Buffer.concat(rows)
                    .toString()
                    .replace(/^1\tother$/m, "2\tother"),
                );
              },
            },
      ),
    };
    const now = await fixture.fingerprint("1");
    await expect(restore(fixture, fixture.plan("1", forged))).rejects.toMatchObject({
      code: "RestoreInvalid",
      details: { table: "public.words" },
    });
    expect(await fixture.fingerprint("1")).toEqual(now);
  });

  test("proves the manifest's checksum before it commits a mirror", async () => {
    const wrong = (table: BackupContent["tables"][number]) =>
      table.table === "public.words" ? { ...table, checksum: "0000000000000000" } : table;
    await fixture.query("DELETE FROM words WHERE org_id = 1");
    const now = await fixture.fingerprint("1");
    const input = fixture.plan("1", { ...backup, tables: backup.tables.map(wrong) }, { liveOnly: "mirror" });
    await expect(restore(fixture, input)).rejects.toMatchObject({ code: "RestoreInvalid" });
    expect(await fixture.fingerprint("1")).toEqual(now);
  });
});

// What only organizations of some size meet: two sessions that stage at the same time.
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
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

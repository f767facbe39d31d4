// A worker that was cut off may wake after its restore was given up elsewhere. What it then does must come to nothing.
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Client } from "pg";
import { createRestoreTarget } from "../../src/adapters/postgres/restore/restore-target.ts";
import type { BackupContent } from "../../src/ports/restore-target.ts";
import { outcomeOf } from "../support/outcome.ts";
import { createRestoreFixture, optionsOf, restore, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";
import { waitUntil } from "../support/wait-until.ts";

let fixture: RestoreFixture;
let backup: BackupContent;
let lost: Record<string, string[]>;
beforeEach(async () => {
  fixture = await createRestoreFixture(
    `CREATE TABLE orgs (id integer PRIMARY KEY, name text);
     CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs ON DELETE CASCADE);
     INSERT INTO orgs VALUES (1, 'ours'), (2, 'theirs');
     INSERT INTO guests SELECT i, 1 + i % 2 FROM generate_series(1, 20) AS i`,
    catalogueOf(["public.orgs", "public.guests"]),
  );
  backup = await fixture.backUp("1");
  await fixture.query("DELETE FROM guests WHERE org_id = 1");
  lost = await fixture.rows("1");
});
afterEach(() => fixture.drop());

const kept = () => fixture.query("SELECT status FROM wedsync_restore.restores");

test("an apply that comes after its restore was given up writes nothing and stages nothing", async () => {
  const input = fixture.plan("1", backup);
  await fixture.target.stage(input, () => {});
  await fixture.target.dropStaging(input.restoreId);
  const rollBack = () => outcomeOf(() => fixture.target.rollback(input.restoreId, { partial: false }));
  expect(await rollBack()).toBe("RestoreNotFound");
  expect(await rollBack()).toBe("RestoreNotFound");
  expect(await outcomeOf(() => fixture.target.apply(input, optionsOf("overwrite")))).toBe("RestoreNotFound");
  expect(await fixture.rows("1")).toEqual(lost);
  expect(await kept()).toEqual([{ status: "abandoned" }]);
  expect(await fixture.query("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'wedsync\\_restore\\_%'")).toEqual([]);
  // The next restore of the same rows is another one.
  expect((await restore(fixture, fixture.plan("1", backup))).result).toMatchObject({ applied: true });
});

test("given up between an apply's first look and its transaction: nothing is written", async () => {
  const input = fixture.plan("1", backup);
  await fixture.target.stage(input, () => {});
  const rival = new Client({ connectionString: fixture.database.url });
  await rival.connect();
  const lock = "hashtextextended('wedsync restore ' || $1, 0)";
  const waiting = async () =>
    (
      await fixture.query(
        "SELECT 1 FROM pg_locks JOIN pg_database AS d ON d.oid = database WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted",
      )
    ).length;
  // The lock is given in the order of asking: apply looks, the rollback finds nothing, apply goes on.
  await rival.query(`SELECT pg_advisory_lock(${lock})`, [input.restoreId]);
  const apply = outcomeOf(() => fixture.target.apply(input, optionsOf("overwrite")));
  await waitUntil("the apply waits", async () => (await waiting()) === 1);
  const elsewhere = createRestoreTarget({ url: fixture.database.url });
  const rollback = outcomeOf(() => elsewhere.rollback(input.restoreId, { partial: false }));
  await waitUntil("the rollback waits behind it", async () => (await waiting()) === 2);
  await rival.query(`SELECT pg_advisory_unlock(${lock})`, [input.restoreId]);
  expect(await Promise.all([apply, rollback])).toEqual(["RestoreNotFound", "RestoreNotFound"]);
  await rival.end();
  expect(await fixture.rows("1")).toEqual(lost);
  expect(await kept()).toEqual([{ status: "abandoned" }]);
});

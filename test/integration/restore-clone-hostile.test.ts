// A copy in a schema that tries everything: odd names, composite keys, circles, partitions, sequences that count down.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { BackupContent } from "../../src/ports/restore-target.ts";
import {
  createHostileSchema,
  hostileCatalogue,
  hostileOrganizationId,
  hostilePlaces,
} from "../support/hostile-schema.ts";
import { openRestoreFixture, optionsOf, type RestoreFixture } from "../support/restore-fixture.ts";
import { createTestDatabase } from "../support/test-database.ts";

let fixture: RestoreFixture;
let backup: BackupContent;
beforeAll(async () => {
  const database = await createTestDatabase();
  await createHostileSchema(database.url);
  fixture = await openRestoreFixture(database, hostileCatalogue);
  // What is NOT NULL and in no backup can't come back.
  await fixture.query("ALTER TABLE tree ALTER COLUMN secret DROP NOT NULL");
  backup = await fixture.backUp(hostileOrganizationId);
});
afterAll(() => fixture.drop());

test("it is whole, the rest untouched, and a rollback removes it", async () => {
  const early = fixture.plan(hostileOrganizationId, backup, { targetOrganizationId: "777" });
  await expect(fixture.target.stage(early, () => {})).rejects.toMatchObject({
    code: "CloneRefused",
    message: expect.stringContaining("public.tree.id: its sequence public.tree_id_seq stands behind"),
  });
  await fixture.query("SELECT setval('tree_id_seq', 400)");
  const before = await Promise.all([hostileOrganizationId, "105"].map((each) => fixture.fingerprint(each)));
  const input = fixture.plan(hostileOrganizationId, backup, { targetOrganizationId: "777" });
  await fixture.target.stage(input, () => {});
  await fixture.target.diff(input);
  await fixture.target.apply(input, optionsOf("overwrite"));
  await fixture.target.dropStaging(input.restoreId);
  const [source, copy] = await Promise.all([hostileOrganizationId, "777"].map((each) => fixture.rows(each)));
  const own = (text: string): string => text.replace(/^\(100,/, "(777,");
  for (const table of ["public.orgs", hostilePlaces, "public.events", "public.divided", "public.no_key"])
    expect(copy?.[table]?.toSorted()).toEqual(source?.[table]?.map((text) => own(text)).toSorted());
  const tree = (id: string) =>
    fixture.query<{ old: string }>(
      `SELECT row_number() OVER (ORDER BY t.id) AS n, t.payload::text, t.raw::text, t.data, t.at::text, t.many::text, t.flt::text,
         (SELECT count(*) FROM tree p WHERE p.org_id = t.org_id AND p.id < t.parent) AS parent, (SELECT count(*) FROM tree f WHERE f.org_id = t.org_id AND f.id < t.friend) AS friend
       FROM tree t WHERE org_id = $1 ORDER BY t.id`,
      [id],
    );
  const trees = await tree("777");
  expect(trees).toHaveLength(200);
  expect(trees).toEqual(await tree(hostileOrganizationId));
  expect(await Promise.all([hostileOrganizationId, "105"].map((each) => fixture.fingerprint(each)))).toEqual(before);
  await fixture.target.rollback(input.restoreId, { partial: false });
  expect(Object.values(await fixture.rows("777")).flat()).toEqual([]);
});

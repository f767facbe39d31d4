// Decisions on conflicts while the rows go on changing: what is still asked, and of which tables. Beside what
// restore-strategies.test.ts says of the strategy as a whole.
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { BackupContent, DifferenceRow, RestorePlanInput } from "../../src/ports/restore-target.ts";
import { createRestoreFixture, optionsOf, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

let fixture: RestoreFixture;
let backup: BackupContent;
let input: RestorePlanInput;
let rows: readonly DifferenceRow[];

const refill = `DELETE FROM gifts; DELETE FROM guests;
  INSERT INTO guests VALUES (1, 1, 'vegan'), (2, 1, 'nuts'), (3, 1, 'milk');
  INSERT INTO gifts VALUES (1, 1, 'spoons'), (2, 1, 'forks')`;

beforeAll(async () => {
  fixture = await createRestoreFixture(
    `CREATE TABLE orgs (id integer PRIMARY KEY, name text NOT NULL);
     CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, notes text);
     CREATE TABLE gifts (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, what text);
     INSERT INTO orgs VALUES (1, 'ours'); ${refill}`,
    catalogueOf(["public.orgs", "public.guests", "public.gifts"]),
  );
  backup = await fixture.backUp("1");
});
afterAll(() => fixture.drop());

/** Guests 1 and 2 and gift 1 differ, guest 3 is gone. */
beforeEach(async () => {
  await fixture.query(refill);
  await fixture.query("UPDATE guests SET notes = '?' WHERE id < 3; UPDATE gifts SET what = '?' WHERE id = 1");
  await fixture.query("DELETE FROM guests WHERE id = 3");
  input = fixture.plan("1", backup, { strategy: "prompt" });
  await fixture.target.stage(input, () => {});
  await fixture.target.diff(input);
  ({ rows } = await fixture.target.readDifferences(input.restoreId, { table: null, kind: null, after: 0, limit: 10 }));
  expect(rows).toHaveLength(4);
});

const numberOf = (table: string, id: number): number =>
  rows.find((row) => row.table === `public.${table}` && row.key["id"] === String(id))?.number ?? 0;
const apply = () => fixture.target.apply(input, optionsOf("prompt"));
const read = () =>
  fixture.query(
    "SELECT (SELECT json_agg(notes ORDER BY id) FROM guests) AS notes, (SELECT json_agg(what ORDER BY id) FROM gifts) AS what",
  );

test("a row that somebody put right meanwhile is asked about no more, and can't be decided", async () => {
  await fixture.query("UPDATE guests SET notes = 'vegan' WHERE id = 1");
  const asked = [numberOf("guests", 2), numberOf("gifts", 1)];
  expect(await apply()).toEqual({ applied: false, askAgain: asked.toSorted((a, b) => a - b) });
  await expect(
    fixture.target.decide(input.restoreId, [{ number: numberOf("guests", 1), decision: "keep live" }]),
  ).rejects.toMatchObject({ code: "DecisionInvalid" });
  expect(
    await fixture.target.decide(
      input.restoreId,
      asked.map((number) => ({ number, decision: "take backup" as const })),
    ),
  ).toEqual({ undecided: 0 });
  expect(await apply()).toMatchObject({ applied: true });
  expect(await read()).toEqual([{ notes: ["vegan", "nuts", "milk"], what: ["spoons", "forks"] }]);
});

test("the rest of one table is that table's alone", async () => {
  const rest = (table: `public.${string}`, decision: "take backup" | "keep live") =>
    fixture.target.decideRest(input.restoreId, { table, decision });
  expect(await rest("public.guests", "take backup")).toEqual({ undecided: 1 });
  expect(await apply()).toEqual({ applied: false, askAgain: [numberOf("gifts", 1)] });
  expect(await rest("public.gifts", "keep live")).toEqual({ undecided: 0 });
  expect(await apply()).toMatchObject({ applied: true });
  expect(await read()).toEqual([{ notes: ["vegan", "nuts", "milk"], what: ["?", "forks"] }]);
});

test("a missing row that was named beside an impossible number comes back unasked, like any other", async () => {
  const missing = numberOf("guests", 3);
  await expect(
    fixture.target.decide(input.restoreId, [
      { number: missing, decision: "keep live" },
      { number: 9999, decision: "keep live" },
    ]),
  ).rejects.toMatchObject({ code: "DecisionInvalid" });
  const others = rows.filter(({ number }) => number !== missing);
  expect(
    await fixture.target.decide(
      input.restoreId,
      others.map(({ number }) => ({ number, decision: "keep live" as const })),
    ),
  ).toEqual({ undecided: 0 });
  expect(await apply()).toMatchObject({ applied: true });
  expect(await read()).toEqual([{ notes: ["?", "?", "milk"], what: ["?", "forks"] }]);
});

test("numbers stay their rows' when a comparison finds fewer, or the staged rows had to be made again", async () => {
  await fixture.target.decide(input.restoreId, [
    { number: numberOf("guests", 2), decision: "take backup" },
    { number: numberOf("gifts", 1), decision: "keep live" },
  ]);
  await fixture.query("UPDATE guests SET notes = 'vegan' WHERE id = 1");
  await fixture.query(`DROP SCHEMA wedsync_restore_${input.restoreId.replaceAll("-", "")} CASCADE`);
  expect(await apply()).toMatchObject({ applied: true });
  expect(await read()).toEqual([{ notes: ["vegan", "nuts", "milk"], what: ["?", "forks"] }]);
});

// The strategies merge and prompt, on guests of a small planner's database.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { mergeRow } from "../../src/domain/conflict-merge.ts";
import type { BackupContent, RestorePlanInput } from "../../src/ports/restore-target.ts";
import { createRestoreFixture, optionsOf, restore, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE TABLE orgs (id integer PRIMARY KEY, name text NOT NULL);
  CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, notes text, phone text, points numeric, UNIQUE (org_id, phone));
  CREATE TABLE words (org_id integer NOT NULL REFERENCES orgs, word text);
  INSERT INTO orgs VALUES (1, 'ours'), (2, 'theirs');
  INSERT INTO guests SELECT i, 2, 'theirs', 'their phone ' || i, 1.10 FROM generate_series(100, 120) AS i;
`;

type Guest = Record<"id" | "notes" | "phone" | "points", string | null>;
const guest = (id: number, notes: string | null, phone: string | null, points: string | null): Guest => ({
  id: String(id),
  notes,
  phone,
  points,
});

describe("restoring guests", () => {
  let fixture: RestoreFixture;
  let others: Record<string, string>;

  beforeAll(async () => {
    fixture = await createRestoreFixture(schemaSql, catalogueOf(["public.orgs", "public.guests", "public.words"]));
    others = await fixture.fingerprint("2");
  });
  afterAll(() => fixture.drop());
  beforeEach(async () => {
    await fixture.query("DELETE FROM guests WHERE id < 100");
  });

  const fill = async (guests: readonly Guest[]): Promise<void> => {
    await fixture.query("DELETE FROM guests WHERE org_id = 1");
    for (const { id, notes, phone, points } of guests)
      await fixture.query("INSERT INTO guests VALUES ($1, 1, $2, $3, $4)", [id, notes, phone, points]);
  };
  const read = (): Promise<Guest[]> =>
    fixture.query<Guest>("SELECT id::text, notes, phone, points::text FROM guests WHERE org_id = 1 ORDER BY guests.id");
  const backUp = async (guests: readonly Guest[]): Promise<BackupContent> => {
    await fill(guests);
    return fixture.backUp("1");
  };

  describe("merge", () => {
    const values = [null, "a", "b", "c"];
    // Every way in which one value can be in the backup, after the damage, and live.
    const triples = values.flatMap((old) => values.flatMap((then) => values.map((now) => [old, then, now] as const)));
    const column = (at: 0 | 1 | 2): Guest[] =>
      triples.map((triple, index) => guest(index + 1, triple[at], null, triple[at] === null ? null : "1.10"));

    test("does by SQL what mergeRow says, two-way and three-way, and undoes it exactly", async () => {
      const backup = await backUp(column(0));
      const mergeBase = await backUp(column(1));
      for (const base of [null, mergeBase]) {
        await fill(column(2));
        const live = await read();
        const input = fixture.plan("1", backup, { strategy: "merge", mergeBase: base });
        await restore(fixture, input);
        const expected = live.map(
          (row, index) =>
            mergeRow(column(0)[index] as Guest, row, base === null ? null : (column(1)[index] as Guest)).values,
        );
        expect(await read()).toEqual(expected);
        expect(await fixture.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
        expect(await read()).toEqual(live);
      }
      expect(await fixture.fingerprint("2")).toEqual(others);
    });

    test("says that two-way is lossy, and counts what both sides changed three-way", async () => {
      const backup = await backUp([guest(1, "vegan", "0171 11", null), guest(2, "nuts", null, null)]);
      const mergeBase = await backUp([guest(1, "", "?", null), guest(2, "", null, null)]);
      await fill([guest(1, "", "0171 55", null), guest(2, "", null, null)]);
      const three = await restore(fixture, fixture.plan("1", backup, { strategy: "merge", mergeBase }));
      expect(await read()).toEqual([guest(1, "vegan", "0171 55", null), guest(2, "nuts", null, null)]);
      expect(three.result).toMatchObject({
        proofs: expect.arrayContaining(["merged three-way: 1 rows keep a live value that both sides had changed"]),
      });
      const two = await restore(fixture, fixture.plan("1", backup, { strategy: "merge" }));
      expect(two.result).toMatchObject({
        proofs: expect.arrayContaining([expect.stringContaining("merged two-way: only empty values were filled")]),
      });
    });

    test("brings back what the damage took, and not what people removed since", async () => {
      const [anna, bert, cara] = [guest(1, "a", null, null), guest(2, "b", null, null), guest(3, "c", null, null)];
      const backup = await backUp([anna, bert, cara]);
      const mergeBase = await backUp([anna, bert]); // the damage took Cara
      await fill([anna]); // and people removed Bert since
      await restore(fixture, fixture.plan("1", backup, { strategy: "merge", mergeBase }));
      expect(await read()).toEqual([anna, cara]);
    });

    test("mirrors only what the damage made and nobody touched since", async () => {
      const anna = guest(1, "a", null, null);
      const [made, touched] = [guest(2, "import", null, null), guest(3, "import", null, null)];
      const backup = await backUp([anna]);
      const mergeBase = await backUp([anna, made, touched]);
      const kept = [{ ...touched, notes: "a real guest" }, guest(4, "new", null, null)];
      await fill([anna, made, ...kept]);
      await restore(fixture, fixture.plan("1", backup, { strategy: "merge", liveOnly: "mirror", mergeBase }));
      expect(await read()).toEqual([anna, ...kept]);
    });
  });

  describe("prompt", () => {
    const [anna, bert, cara] = [
      guest(1, "vegan", "11", "1.10"),
      guest(2, "nuts", "22", null),
      guest(3, "milk", null, null),
    ];
    const damaged = [guest(1, "?", "11", "1.1"), guest(2, "?", "22", "5"), guest(3, null, "33", null)];
    let input: RestorePlanInput;
    let numbers: number[];

    beforeEach(async () => {
      const backup = await backUp([anna, bert, cara]);
      await fill(damaged);
      input = fixture.plan("1", backup, { strategy: "prompt" });
      await fixture.target.stage(input, () => {});
      await fixture.target.diff(input);
      const page = await fixture.target.readDifferences(input.restoreId, {
        table: "public.guests",
        kind: "changed",
        after: 0,
        limit: 10,
      });
      numbers = page.rows.toSorted((a, b) => Number(a.key["id"]) - Number(b.key["id"])).map(({ number }) => number);
      expect(numbers).toHaveLength(3);
    });
    const apply = (defaultDecision: Parameters<typeof optionsOf>[2] = null) =>
      fixture.target.apply(input, optionsOf("prompt", "keep", defaultDecision));
    const [first, second, third] = [0, 1, 2].map((at) => () => numbers[at] as number) as [
      () => number,
      () => number,
      () => number,
    ];

    test("takes each decision by its number: the backup's row, the live one, or both merged", async () => {
      const { undecided } = await fixture.target.decide(input.restoreId, [
        { number: first(), decision: "take backup" },
        { number: second(), decision: "keep live" },
      ]);
      expect(undecided).toBe(1);
      expect(await apply()).toEqual({ applied: false, askAgain: [third()] });
      expect(await read()).toEqual(damaged);
      const slip = fixture.target.decideRest(input.restoreId, { table: "public.geusts", decision: "merge" });
      await expect(slip).rejects.toMatchObject({ code: "DecisionInvalid" });
      expect(await fixture.target.decideRest(input.restoreId, { table: "public.guests", decision: "merge" })).toEqual({
        undecided: 0,
      });
      expect(await apply()).toMatchObject({ applied: true });
      expect(await read()).toEqual([anna, damaged[1], guest(3, "milk", "33", null)]);
      expect(await fixture.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
      expect(await read()).toEqual(damaged);
      expect(await fixture.fingerprint("2")).toEqual(others);
    });

    test("asks again about a row that changed since it was shown, and about no other", async () => {
      await fixture.target.decideRest(input.restoreId, { table: null, decision: "take backup" });
      await fixture.query("UPDATE guests SET notes = 'newer' WHERE id = 2");
      expect(await apply("take backup")).toEqual({ applied: false, askAgain: [second()] });
      expect((await read())[1]?.notes).toBe("newer");
      await fixture.target.decide(input.restoreId, [{ number: second(), decision: "take backup" }]);
      expect(await apply()).toMatchObject({ applied: true });
      expect(await read()).toEqual([anna, bert, cara]);
    });

    test("does not ask again about a row whose key is another organization's when that one changes it", async () => {
      await fixture.query(
        "DELETE FROM guests WHERE id = 3; INSERT INTO guests (id, org_id, notes) VALUES (3, 2, 'theirs')",
      );
      input = fixture.plan("1", input.backup, { strategy: "prompt" });
      await fixture.target.stage(input, () => {});
      await fixture.target.diff(input);
      await fixture.target.decideRest(input.restoreId, { table: null, decision: "keep live" });
      await fixture.query("UPDATE guests SET notes = 'their own business' WHERE id = 3");
      await fixture.query("INSERT INTO guests (id, org_id) VALUES (7, 1)"); // so that it is compared again
      expect(await apply()).toMatchObject({ applied: true });
    });

    test("asks about a row that was removed or made different since", async () => {
      await fixture.target.decideRest(input.restoreId, { table: null, decision: "take backup" });
      await fixture.query("DELETE FROM guests WHERE id = 3");
      expect(await apply()).toEqual({ applied: false, askAgain: [third()] });
      await fixture.target.decide(input.restoreId, [{ number: third(), decision: "keep live" }]);
      expect(await apply()).toMatchObject({ applied: true });
      expect(await read()).toEqual([anna, bert]);
    });

    describe("with rows that are missing, and rows that would be removed", () => {
      const [dora, emil] = [guest(4, "new", null, null), guest(5, "imported", null, null)];
      let number: (id: number) => number;
      beforeEach(async () => {
        await fill([anna, guest(2, "?", "22", null), dora, emil]);
        input = fixture.plan("1", input.backup, { strategy: "prompt", liveOnly: "mirror" });
        await fixture.target.stage(input, () => {});
        const guests = (await fixture.target.diff(input)).find(({ table }) => table === "public.guests");
        expect(guests).toMatchObject({ missing: 1, changed: 1, liveOnly: 2, undecided: 3 });
        const all = { table: "public.guests", kind: null, after: 0, limit: 10 };
        const { rows } = await fixture.target.readDifferences(input.restoreId, all);
        number = (id) => rows.find(({ key }) => key["id"] === String(id))?.number as number;
      });
      const mirror = (defaultDecision: Parameters<typeof optionsOf>[2] = null) =>
        fixture.target.apply(input, optionsOf("prompt", "mirror", defaultDecision));

      test("asks before it removes a row, and leaves a missing one away where somebody says so", async () => {
        const before = await read();
        expect(await fixture.target.decide(input.restoreId, [{ number: number(3), decision: "keep live" }])).toEqual({
          undecided: 3,
        });
        await fixture.target.decide(input.restoreId, [
          { number: number(2), decision: "take backup" },
          { number: number(4), decision: "keep live" },
        ]);
        expect(await mirror()).toEqual({ applied: false, askAgain: [number(5)] });
        expect(await read()).toEqual(before);
        await fixture.target.decide(input.restoreId, [{ number: number(5), decision: "take backup" }]);
        expect(await mirror()).toMatchObject({ applied: true });
        expect(await read()).toEqual([anna, bert, dora]);
        expect(await fixture.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
        expect(await read()).toEqual(before);
      });

      test("asks about a row that was made or edited after the others were decided", async () => {
        await fixture.target.decideRest(input.restoreId, { table: null, decision: "take backup" });
        await fixture.query("UPDATE guests SET notes = 'a real guest' WHERE id = 5");
        await fixture.query("INSERT INTO guests VALUES (6, 1, 'newest', NULL, NULL)");
        const again = await mirror();
        expect(again).toMatchObject({ applied: false });
        if (!again.applied) expect(again.askAgain).toHaveLength(2);
        await fixture.target.decideRest(input.restoreId, { table: null, decision: "merge" });
        expect(await mirror()).toMatchObject({ applied: true });
        expect(await read()).toEqual([
          anna,
          bert,
          cara,
          { ...emil, notes: "a real guest" },
          guest(6, "newest", null, null),
        ]);
      });

      test("asks again about a missing row that somebody made again meanwhile", async () => {
        await fixture.target.decideRest(input.restoreId, { table: null, decision: "take backup" });
        await fixture.target.decide(input.restoreId, [{ number: number(3), decision: "keep live" }]);
        await fixture.query("INSERT INTO guests VALUES (3, 1, 'made again', NULL, NULL)");
        expect(await mirror()).toEqual({ applied: false, askAgain: [number(3)] });
        await fixture.target.decide(input.restoreId, [{ number: number(3), decision: "take backup" }]);
        expect(await mirror()).toMatchObject({ applied: true });
        expect(await read()).toEqual([anna, bert, cara]);
      });

      test("removes at the deadline only where the default takes the backup", async () => {
        await fixture.target.decide(input.restoreId, [{ number: number(4), decision: "take backup" }]);
        expect(await mirror("keep live")).toMatchObject({ applied: true });
        expect(await read()).toEqual([anna, guest(2, "?", "22", null), cara, emil]);
      });

      test("takes none of several decisions where one is impossible, and says why", async () => {
        const [restoreId, live] = [input.restoreId, number(3)];
        const both = [
          { number: live, decision: "keep live" as const },
          { number: 9999, decision: "keep live" as const },
        ];
        await expect(fixture.target.decide(restoreId, both)).rejects.toMatchObject({ code: "DecisionInvalid" });
        expect(await fixture.target.decideRest(restoreId, { table: null, decision: "take backup" })).toEqual({
          undecided: 0,
        });
        expect(await mirror()).toMatchObject({ applied: true });
        expect(await read()).toEqual([anna, bert, cara]);
      });

      test("refuses a decision on a row without a key by the table's name, and on one that is kept anyway", async () => {
        await fixture.query("INSERT INTO words VALUES (1, 'new')");
        const plain = fixture.plan("1", input.backup, { strategy: "prompt" });
        await fixture.target.stage(plain, () => {});
        await fixture.target.diff(plain);
        const page = { table: null, kind: "live only", after: 0, limit: 10 } as const;
        const { rows } = await fixture.target.readDifferences(plain.restoreId, page);
        const decide = (table: string) =>
          fixture.target.decide(plain.restoreId, [
            { number: rows.find((row) => row.table === table)?.number ?? 0, decision: "take backup" },
          ]);
        await expect(decide("public.words")).rejects.toMatchObject({
          code: "DecisionInvalid",
          message: expect.stringContaining("public.words, which has no primary key"),
        });
        await expect(decide("public.guests")).rejects.toMatchObject({
          code: "DecisionInvalid",
          message: expect.stringContaining("only live where they would be removed"),
        });
        await fixture.query("DELETE FROM words WHERE org_id = 1");
      });
    });

    test("uses the default also for rows that changed since they were shown, or were never shown, if nobody decided", async () => {
      await fixture.query("UPDATE guests SET notes = 'newer' WHERE id = 2");
      const never = fixture.plan("1", input.backup, { strategy: "prompt" });
      expect(await fixture.target.apply(never, optionsOf("prompt"))).toMatchObject({ applied: false });
      expect(await apply("take backup")).toMatchObject({ applied: true });
      expect(await read()).toEqual([anna, bert, cara]);
    });

    test("uses the default for what nobody decided, and refuses a number that is no conflict", async () => {
      await expect(fixture.target.decide(input.restoreId, [{ number: 9999, decision: "merge" }])).rejects.toMatchObject(
        { code: "DecisionInvalid" },
      );
      await fixture.target.decide(input.restoreId, [{ number: first(), decision: "keep live" }]);
      expect(await apply("take backup")).toMatchObject({ applied: true });
      expect(await read()).toEqual([damaged[0], bert, cara]);
    });
  });
});

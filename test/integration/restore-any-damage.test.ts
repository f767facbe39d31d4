// Any damage, any strategy: the live rows become what a model in memory says, nobody else's are touched, and a rollback
// restores the state before, exactly. On keys, unique values that swap, self references, a table without primary key.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { mergeRow } from "../../src/domain/conflict-merge.ts";
import type { BackupContent } from "../../src/ports/restore-target.ts";
import type { LiveOnly } from "../../src/domain/restore-request.ts";
import { asPlainRole } from "../support/as-plain-role.ts";
import { createRestoreFixture, optionsOf, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs ON DELETE CASCADE, seat integer, notes text, points numeric, friend integer REFERENCES guests ON DELETE SET NULL,
    loud text GENERATED ALWAYS AS (upper(notes)) STORED, UNIQUE (org_id, seat));
  CREATE TABLE words (org_id integer NOT NULL REFERENCES orgs, word text);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO guests SELECT i, 2, i, 'theirs', 1.10, NULL FROM generate_series(101, 105) AS i;
  INSERT INTO words VALUES (2, 'a'), (2, 'a');
`;
type Guest = { id: string; seat: string | null; notes: string | null; points: string | null; friend: string | null };
interface State {
  readonly guests: readonly Guest[];
  readonly words: readonly string[];
}

const ids = ["1", "2", "3", "4", "5", "6"];
/** Friends are always among those who are there; seats are a permutation of the ids, so that damage swaps them. */
const states = fc
  .record({
    present: fc.subarray(ids),
    seats: fc.shuffledSubarray(ids, { minLength: ids.length }),
    rows: fc.array(
      fc.record({
        hasSeat: fc.boolean(),
        notes: fc.constantFrom(null, "", "a", "b"),
        points: fc.constantFrom(null, "1.1", "1.10"),
        friend: fc.option(fc.nat(5), { nil: null }),
      }),
      { minLength: ids.length, maxLength: ids.length },
    ),
    words: fc.array(fc.constantFrom("a", "b", ""), { maxLength: 5 }),
  })
  .map(({ present, seats, rows, words }): State => ({
    words: words.toSorted(),
    guests: present.map((id) => {
      const at = Number(id) - 1;
      const { hasSeat, notes, points, friend } = rows[at] as (typeof rows)[number];
      const name = friend === null ? null : (ids[friend] as string);
      return {
        id,
        seat: hasSeat ? (seats[at] as string) : null,
        notes,
        points,
        friend: name !== null && present.includes(name) ? name : null,
      };
    }),
  }));

function model(strategy: "overwrite" | "skip" | "merge", liveOnly: LiveOnly, backup: State, live: State): State {
  const mine = new Map(backup.guests.map((guest) => [guest.id, guest]));
  const theirs = new Map(live.guests.map((guest) => [guest.id, guest]));
  const guests = ids.flatMap((id): Guest[] => {
    const [old, now] = [mine.get(id), theirs.get(id)];
    if (old === undefined) return now === undefined || liveOnly === "mirror" ? [] : [now];
    if (now === undefined || strategy === "overwrite") return [old];
    return [strategy === "skip" ? now : (mergeRow(old, now, null).values as Guest)];
  });
  const count = (words: readonly string[], word: string): number => words.filter((each) => each === word).length;
  const words = ["", "a", "b"].flatMap((word) => {
    const [old, now] = [count(backup.words, word), count(live.words, word)];
    return Array.from({ length: liveOnly === "mirror" ? old : Math.max(old, now) }, () => word);
  });
  return { guests, words };
}

/** What no restore can write: a seat that two would hold, or a friend who is not there. It must be refused, whole. */
function isPossible({ guests }: State): boolean {
  const seats = guests.flatMap(({ seat }) => (seat === null ? [] : [seat]));
  const present = new Set(guests.map(({ id }) => id));
  return new Set(seats).size === seats.length && guests.every(({ friend }) => friend === null || present.has(friend));
}

let fixture: RestoreFixture;
let others: Record<string, string>;
beforeAll(async () => {
  fixture = await createRestoreFixture(schemaSql, catalogueOf(["public.orgs", "public.guests", "public.words"]));
  others = await fixture.fingerprint("2");
});
afterAll(() => fixture.drop());

async function put({ guests, words }: State): Promise<void> {
  await fixture.query("DELETE FROM words WHERE org_id = 1");
  await fixture.query("DELETE FROM guests WHERE org_id = 1");
  await fixture.query(
    "INSERT INTO guests (id, org_id, seat, notes, points, friend) SELECT id, 1, seat, notes, points, friend FROM json_to_recordset($1) AS x(id integer, seat integer, notes text, points numeric, friend integer)",
    [JSON.stringify(guests)],
  );
  await fixture.query("INSERT INTO words SELECT 1, unnest($1::text[])", [words]);
}
async function read(): Promise<State> {
  const guests = await fixture.query<Guest>(
    "SELECT id::text, seat::text, notes, points::text, friend::text FROM guests WHERE org_id = 1 ORDER BY guests.id",
  );
  const words = await fixture.query<{ word: string }>("SELECT word FROM words WHERE org_id = 1 ORDER BY word");
  return { guests, words: words.map(({ word }) => word) };
}

const strategies = ["overwrite", "skip", "merge"] as const;
const cases = strategies.flatMap(
  (strategy) =>
    [
      { strategy, mayRest: true },
      { strategy, mayRest: false },
    ] as const,
);

test.each(cases)("$strategy does what the model says to any damage; triggers may rest: $mayRest", async (each) => {
  const { strategy, mayRest } = each;
  if (mayRest) await damage(fixture, strategy, { mayRefuse: false });
  else await asPlainRole(fixture, (plain) => damage(plain, strategy, { mayRefuse: true }));
});

/** `mayRefuse`: with its triggers on, a table may not take every order of writes, there or back; then nothing at all is written. */
async function damage(
  { target, ...rest }: RestoreFixture,
  strategy: (typeof strategies)[number],
  { mayRefuse }: { readonly mayRefuse: boolean },
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(states, states, fc.constantFrom<LiveOnly>("keep", "mirror"), async (old, damaged, liveOnly) => {
      await put(old);
      const backup: BackupContent = await rest.backUp("1");
      await put(damaged);
      const before = await fixture.rows("1");
      const expected = model(strategy, liveOnly, old, damaged);
      const input = fixture.plan("1", backup, { strategy, liveOnly });
      await target.stage(input, () => {});
      await target.diff(input);
      const applying = target.apply(input, optionsOf(strategy, liveOnly));
      const refused = await applying.then(
        () => false,
        () => true,
      );
      if (isPossible(expected) && !(mayRefuse && refused)) {
        await applying;
        expect(await read()).toEqual(expected);
        const undone = await target.rollback(input.restoreId, { partial: false }).catch((error: unknown) => {
          // A unique value that went to a row which would have to go first.
          if (!mayRefuse) throw error;
          expect(error).toMatchObject({ code: "RestoreConflict" });
        });
        if (undone === undefined) {
          expect(await read()).toEqual(expected);
          return await target.dropStaging(input.restoreId);
        }
        expect(undone).toMatchObject({ refused: [] });
      } else {
        await expect(applying).rejects.toMatchObject({ code: expect.stringMatching(/^Restore(Conflict|Invalid)$/) });
      }
      expect(await fixture.rows("1")).toEqual(before);
      expect(await fixture.fingerprint("2")).toEqual(others);
      await target.dropStaging(input.restoreId);
    }),
    { numRuns: 8 },
  );
}

// Any damage, any strategy: the live rows become what a model in memory says, nobody else's are touched, and a rollback
// restores the state before, exactly. On keys, unique values that move, self references, references that the database would
// empty or set to their default, a table without primary key.
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
  CREATE TABLE tables (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs);
  CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs ON DELETE CASCADE, seat integer, notes text, points numeric, friend integer REFERENCES guests ON DELETE SET NULL,
    sits_at integer DEFAULT 10 REFERENCES tables ON DELETE SET DEFAULT, loud text GENERATED ALWAYS AS (upper(notes)) STORED, UNIQUE (org_id, seat));
  CREATE TABLE words (org_id integer NOT NULL REFERENCES orgs, word text);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO tables VALUES (10, 1), (20, 2);
  INSERT INTO guests SELECT i, 2, i, 'theirs', 1.10, NULL, 20 FROM generate_series(101, 105) AS i;
  INSERT INTO words VALUES (2, 'a'), (2, 'a');
`;
type Guest = Record<"id", string> & Record<"seat" | "notes" | "points" | "friend" | "sits_at", string | null>;
interface State {
  /** Beside the one that everybody sits at who has no other. */
  readonly tables: readonly string[];
  readonly guests: readonly Guest[];
  readonly words: readonly string[];
}

const ids = ["1", "2", "3", "4", "5", "6"];
const tableIds = ["11", "12"];
/** Friends and tables are always among those that are there; seats are a permutation of the ids, so that damage swaps them. */
const states = fc
  .record({
    present: fc.subarray(ids),
    tables: fc.subarray(tableIds),
    seats: fc.shuffledSubarray(ids, { minLength: ids.length }),
    rows: fc.array(
      fc.record({
        hasSeat: fc.boolean(),
        notes: fc.constantFrom(null, "", "a", "b"),
        points: fc.constantFrom(null, "1.1", "1.10"),
        friend: fc.option(fc.nat(5), { nil: null }),
        sitsAt: fc.constantFrom(null, "10", ...tableIds),
      }),
      { minLength: ids.length, maxLength: ids.length },
    ),
    words: fc.array(fc.constantFrom("a", "b", ""), { maxLength: 5 }),
  })
  .map(({ present, tables, seats, rows, words }): State => ({
    words: words.toSorted(),
    tables,
    guests: present.map((id) => {
      const at = Number(id) - 1;
      const { hasSeat, notes, points, friend, sitsAt } = rows[at] as (typeof rows)[number];
      const name = friend === null ? null : (ids[friend] as string);
      return {
        id,
        seat: hasSeat ? (seats[at] as string) : null,
        notes,
        points,
        friend: name !== null && present.includes(name) ? name : null,
        sits_at: sitsAt === null || tables.includes(sitsAt) ? sitsAt : "10",
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
  const tables = tableIds.filter(
    (id) => backup.tables.includes(id) || (liveOnly === "keep" && live.tables.includes(id)),
  );
  return { guests, tables, words };
}

/** What no restore can write: a seat that two would hold, a friend or a table that is not there. It must be refused, whole. */
function isPossible({ guests, tables }: State): boolean {
  const seats = guests.flatMap(({ seat }) => (seat === null ? [] : [seat]));
  const present = new Set<string | null>([null, "10", ...tables, ...guests.map(({ id }) => id)]);
  return (
    new Set(seats).size === seats.length &&
    guests.every(({ friend, sits_at: sitsAt }) => present.has(friend) && present.has(sitsAt))
  );
}

let fixture: RestoreFixture;
let others: Record<string, string>;
beforeAll(async () => {
  const names = ["public.orgs", "public.tables", "public.guests", "public.words"];
  fixture = await createRestoreFixture(schemaSql, catalogueOf(names));
  // A few rows are otherwise not worth a second process.
  for (const setting of ["min_parallel_table_scan_size", "parallel_setup_cost", "parallel_tuple_cost"])
    await fixture.query(`ALTER DATABASE ${fixture.database.name} SET ${setting} = 0`);
  others = await fixture.fingerprint("2");
});
afterAll(() => fixture.drop());

async function put({ guests, tables, words }: State): Promise<void> {
  await fixture.query("DELETE FROM words WHERE org_id = 1");
  await fixture.query("DELETE FROM guests WHERE org_id = 1");
  await fixture.query("DELETE FROM tables WHERE org_id = 1 AND id <> 10");
  await fixture.query("INSERT INTO tables SELECT unnest($1::integer[]), 1", [tables]);
  await fixture.query(
    "INSERT INTO guests (id, org_id, seat, notes, points, friend, sits_at) SELECT id, 1, seat, notes, points, friend, sits_at FROM json_to_recordset($1) AS x(id integer, seat integer, notes text, points numeric, friend integer, sits_at integer)",
    [JSON.stringify(guests)],
  );
  await fixture.query("INSERT INTO words SELECT 1, unnest($1::text[])", [words]);
}
async function read(): Promise<State> {
  const guests = await fixture.query<Guest>(
    "SELECT id::text, seat::text, notes, points::text, friend::text, sits_at::text FROM guests WHERE org_id = 1 ORDER BY guests.id",
  );
  const tables = await fixture.query<{ id: string }>(
    "SELECT id::text FROM tables WHERE org_id = 1 AND id <> 10 ORDER BY tables.id",
  );
  const words = await fixture.query<{ word: string }>("SELECT word FROM words WHERE org_id = 1 ORDER BY word");
  return { guests, tables: tables.map(({ id }) => id), words: words.map(({ word }) => word) };
}

const strategies = ["overwrite", "skip", "merge"] as const;
const cases = strategies.flatMap((strategy) => [
  { strategy, role: "a superuser" },
  { strategy, role: "one that may let triggers rest" },
  { strategy, role: "one that may not" },
]);

test.each(cases)("$strategy does what the model says to any damage, as $role", async ({ strategy, role }) => {
  if (role === "a superuser") await damage(fixture, strategy);
  else
    await asPlainRole(fixture, (plain) => damage(plain, strategy), {
      mayRest: role === "one that may let triggers rest",
    });
});

async function damage({ target, ...rest }: RestoreFixture, strategy: (typeof strategies)[number]): Promise<void> {
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
      if (isPossible(expected)) {
        await applying;
        expect(await read()).toEqual(expected);
        expect(await target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
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

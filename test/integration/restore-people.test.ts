// Restores in which people or a later backup decide: merge, two-way and three-way, and prompt at a terminal. The whole way:
// the command's own code, Temporal, Postgres, a repository.
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { RestoreOptions } from "../../src/cli/restore-order.ts";
import { runRestore } from "../../src/cli/restore.ts";
import type { Session } from "../../src/cli/session.ts";
import { listRestores } from "../../src/control/restores.ts";
import type { RestoreOutcome } from "../../src/domain/restore-run.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { outcomeOf } from "../support/outcome.ts";
import { waitUntil } from "../support/wait-until.ts";

let rig: BackupRig;
let organizationId: string;
let whole: Record<string, string>;
let others: Record<string, string>;
/** Four guests whose rows the tests change. */
let ids: string[];

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 2 } });
  await rig.startWorker();
  [organizationId = ""] = rig.organizationIds;
  await rig.database.query("UPDATE guests SET notes = 'as planned', email = NULL WHERE organization_id = $1", [
    organizationId,
  ]);
  await rig.backUp(organizationId);
  whole = await checksumsOf(rig, organizationId);
  others = await checksumsOf(rig, rig.organizationIds[1] ?? "");
  const guests = await rig.database.query<{ id: string }>(
    "SELECT id FROM guests WHERE organization_id = $1 ORDER BY id LIMIT 4",
    [organizationId],
  );
  ids = guests.map(({ id }) => id);
});
afterAll(async () => {
  expect(await checksumsOf(rig, rig.organizationIds[1] ?? "")).toEqual(others);
  await rig.close();
});
beforeEach(async () => {
  await order({ conflict: "overwrite" });
  expect(await checksumsOf(rig, organizationId)).toEqual(whole);
});

const set = (id: string | undefined, column: "notes" | "email", value: string | null) =>
  rig.database.query(`UPDATE guests SET ${column} = $2 WHERE id = $1`, [id, value]);
const read = async () =>
  (
    await rig.database.query<{ notes: string; email: string | null }>(
      "SELECT notes, email FROM guests WHERE id = ANY ($1) ORDER BY id",
      [ids],
    )
  ).map(({ notes, email }) => [notes, email]);

interface Person {
  /** By the number of the question, from 0, and what was shown with it; null = the person goes away. */
  readonly answer: (number: number, shown: string) => string | null | Promise<string | null>;
}

/** `restore` as the command runs it; a person answers as the questions come. */
async function order(options: Partial<RestoreOptions>, person: Person | null = null) {
  let outcome: RestoreOutcome | null = null;
  const said: string[] = [];
  const output = {
    json: false,
    result: (value: RestoreOutcome) => void (outcome = value),
    say: (line: string) => void said.push(line),
    progress: () => {},
  };
  const session = {
    output,
    config: { restoreTargetUrl: null },
    stack: null,
    sourceServer: async () => {},
    sourceUrl: rig.database.url,
    client: async () => rig.client,
    control: async () => rig.control,
  } as unknown as Session;
  const [input, screen] = [new PassThrough(), new PassThrough()];
  let [shown, asked, seen] = ["", 0, 0];
  screen.on("data", (chunk: Buffer) => {
    shown += chunk.toString();
    const questions = shown.match(/uit for now: |\[y\/N\] /g)?.length ?? 0;
    if (questions === asked) return;
    asked = questions;
    void reply(asked - 1, shown.slice(seen));
    seen = shown.length;
  });
  const reply = async (number: number, text: string): Promise<void> => {
    const answer = (await person?.answer(number, text)) ?? null;
    if (answer === null) input.end();
    else input.write(`${answer}\n`);
  };
  const terminal = { input, output: screen, isAnswered: person !== null };
  const defaults = { liveOnly: "keep", rows: "0", deadline: "72", backupFirst: false, wait: true } as const;
  const given = { ...defaults, backup: "1", conflict: "overwrite", organization: organizationId, ...options } as const;
  const code = await outcomeOf(() => runRestore(session, { yes: person === null, ...given }, terminal));
  return { code, outcome: outcome as RestoreOutcome | null, shown, asked, said: said.join("\n") };
}

test("merge, two-way: empty values are filled, everything else stays, and it says that it is lossy", async () => {
  await rig.database.query(
    "DELETE FROM seating_tables WHERE wedding_id IN (SELECT id FROM weddings WHERE organization_id = $1)",
    [organizationId],
  );
  await set(ids[0], "notes", null);
  await set(ids[1], "notes", "moved");
  await set(ids[1], "email", "new@example.org");
  const { code, outcome } = await order({ conflict: "merge" });
  expect(code).toBe("done");
  expect(outcome?.proofs.join()).toContain("merged two-way");
  expect((await read()).slice(0, 2)).toEqual([
    ["as planned", null],
    ["moved", "new@example.org"],
  ]);
  const seating = outcome?.applied.find((each) => each.table === "public.seating_tables");
  expect(seating?.inserted).toBeGreaterThan(0);
});

test("merge, three-way: what the damage did is undone, what people did since is kept, what both did is counted", async () => {
  await set(ids[0], "notes", "damaged");
  await set(ids[1], "notes", "damaged");
  await set(ids[2], "notes", "damaged");
  const { sequence } = await rig.backUp(organizationId);
  await set(ids[1], "email", "new@example.org");
  await set(ids[2], "notes", "corrected by hand");
  await set(ids[3], "email", "later@example.org");
  const { code, outcome } = await order({ conflict: "merge", mergeBase: String(sequence) });
  expect(code).toBe("done");
  expect(outcome?.backup).toMatchObject({ sequence: 1, mergeBaseSequence: sequence });
  expect(outcome?.proofs.join()).toContain("merged three-way: 1 rows keep a live value that both sides had changed");
  expect(await read()).toEqual([
    ["as planned", null],
    ["as planned", "new@example.org"],
    ["corrected by hand", null],
    ["as planned", "later@example.org"],
  ]);
  // A base that is not later than the backup can't show the damage.
  expect((await order({ conflict: "merge", mergeBase: "1" })).code).toBe("UsageInvalid");
});

test("prompt at a terminal: each conflict is shown and decided, nonsense is asked again, then it is approved", async () => {
  for (const id of ids) await set(id, "notes", "spoilt");
  await set(ids[2], "notes", null);
  await set(ids[2], "email", "new@example.org");
  const letters = ["b", "l", "m", "l"];
  let row = "";
  const answer = (number: number, text: string): string => {
    if (text.includes("[y/N]")) return "y";
    // A question that is asked again shows no row of its own.
    if (text.includes("public.guests")) row = text;
    return number === 1 ? "what?" : (letters[ids.findIndex((id) => row.includes(id))] ?? "q");
  };
  const { code, outcome, shown } = await order({ conflict: "prompt" }, { answer });
  expect(code).toBe("done");
  expect(outcome).toMatchObject({ status: "applied", decidedByDefault: 0 });
  expect(shown).toContain("as planned");
  expect(shown).toContain("spoilt");
  expect(await read()).toEqual([
    ["as planned", null],
    ["spoilt", null],
    ["as planned", "new@example.org"],
    ["spoilt", null],
  ]);
});

test("asked again at a terminal: only rows that changed, went or differ since are shown, and it is approved once", async () => {
  for (const id of ids) await set(id, "notes", "spoilt");
  const rounds: string[][] = [[], []];
  let round = 0;
  const answer = async (_: number, text: string): Promise<string> => {
    if (text.includes("[y/N]")) {
      await set(ids[2], "notes", "newer");
      await rig.database.query("DELETE FROM guests WHERE id = $1", [ids[3]]);
      round += 1;
      return "y";
    }
    rounds[round]?.push(...ids.filter((id) => text.includes(`id = ${id}`)));
    return round === 1 && text.includes(`id = ${ids[2]}`) ? "l" : "b";
  };
  const { code, shown } = await order({ conflict: "prompt" }, { answer });
  expect(code).toBe("done");
  expect(rounds.map((each) => each.toSorted())).toEqual([ids, ids.slice(2)]);
  // The wedding's link to the guest who went is a difference that was not there before.
  expect(shown.match(/changed in public\.weddings/g)).toHaveLength(1);
  expect(shown.match(/\[y\/N\]/g)).toHaveLength(1);
  expect((await read()).map(([notes]) => notes)).toEqual(["as planned", "as planned", "newer", "as planned"]);
});

test("a person who goes away: nothing is written, and the restore is over", async () => {
  for (const id of ids) await set(id, "notes", "spoilt");
  const damaged = await checksumsOf(rig, organizationId);
  const answer = (number: number): string | null => (number === 0 ? "b" : null);
  expect((await order({ conflict: "prompt" }, { answer })).code).toBe("Cancelled");
  expect(await checksumsOf(rig, organizationId)).toEqual(damaged);
  await waitUntil("the restore is over", async () => {
    const [row] = await listRestores(rig.control, { organizationId, limit: 1 });
    return row?.status === "cancelled";
  });
});

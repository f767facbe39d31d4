// Decisions for a restore that waits for them: from a file, or asked one by one at the terminal. Rows are read page by page
// from the target database, never through Temporal; decisions go up in batches.
import { readFile } from "node:fs/promises";
import type { Client } from "@temporalio/client";
import { parse } from "yaml";
import { z } from "zod";
import { decideConflicts, decideRemainingConflicts } from "../client/start-restore.ts";
import type { Decision } from "../domain/restore-request.ts";
import { decisions, maxDecisionsPerUpdate, type RestoreOrder } from "../domain/restore-run.ts";
import type { DifferenceRow, RestoreTarget } from "../ports/restore-target.ts";
import { describeRow } from "./describe-restore.ts";
import { usage } from "./output.ts";
import { withQuestions, type Terminal } from "./terminal.ts";

type Restore = Pick<RestoreOrder, "restoreId" | "organizationId" | "liveOnly">;

const decisionSchema = z.enum(decisions as [Decision, ...Decision[]]);
const fileSchema = z.strictObject({
  /** Rows by their keys, as text. */
  rows: z
    .array(z.strictObject({ table: z.string(), key: z.record(z.string(), z.string()), decision: decisionSchema }))
    .default([]),
  tables: z.record(z.string(), decisionSchema).default({}),
  rest: decisionSchema.optional(),
});
export type DecisionFile = z.infer<typeof fileSchema>;

/** @throws UsageInvalid listing what is wrong. */
export async function readDecisionFile(path: string): Promise<DecisionFile> {
  const text = await readFile(path, "utf8").catch(() => {
    throw usage("The file of --decisions can't be read.");
  });
  let value: unknown;
  try {
    value = parse(text);
  } catch {
    throw usage("The file of --decisions is neither JSON nor YAML.");
  }
  const parsed = fileSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "the file"}: ${issue.message}`);
  throw usage(`The file of --decisions is not well formed:\n- ${problems.join("\n- ")}`);
}

type Filter = Pick<Parameters<RestoreTarget["readDifferences"]>[1], "kind" | "undecidedOnly">;

async function* readConflicts(target: RestoreTarget, restoreId: string, filter: Filter): AsyncGenerator<DifferenceRow> {
  for (let after: number | null = 0; after !== null;) {
    const page = await target.readDifferences(restoreId, { table: null, ...filter, after, limit: 200 });
    yield* page.rows;
    after = page.next;
  }
}

/** @returns how many conflicts it leaves open. */
export async function decideFromFile(
  client: Client,
  target: RestoreTarget,
  restore: Restore,
  file: DecisionFile,
  { isAgain }: { readonly isAgain: boolean },
): Promise<number> {
  const wanted = new Map(file.rows.map((row, at) => [nameRow(row.table, row.key), { ...row, at }]));
  const batch = new DecisionBatch(client, restore);
  if (wanted.size > 0) {
    const found: { number: number; decision: Decision; isAsked: boolean }[] = [];
    for await (const row of readConflicts(target, restore.restoreId, { kind: null })) {
      const name = nameRow(row.table, row.key);
      const entry = wanted.get(name);
      if (entry === undefined) continue;
      if (row.kind === "live only" && restore.liveOnly === "keep")
        throw usage(
          `Row ${entry.at + 1} of --decisions (${entry.table}) exists only live, and this restore keeps such rows; --live-only mirror asks about each.`,
        );
      wanted.delete(name);
      found.push({ number: row.number, decision: entry.decision, isAsked: row.kind !== "missing" });
    }
    // Asked again, the file is the same standing answer; what it names may have settled itself meanwhile.
    if (wanted.size > 0 && !isAgain) throw usage(describeStrangers([...wanted.values()]));
    // With the last answer that it waits for the restore goes on: what it does not wait for comes before.
    found.sort((a, b) => Number(a.isAsked) - Number(b.isAsked));
    for (const { number, decision } of found) await batch.add(number, decision);
    await batch.flush();
    if (batch.undecided === 0) return 0;
  }
  for (const [table, decision] of Object.entries(file.tables)) {
    batch.undecided = (await decideRemainingConflicts(client, restore, { table, decision })).undecided;
    if (batch.undecided === 0) return 0;
  }
  if (file.rest !== undefined)
    batch.undecided = (await decideRemainingConflicts(client, restore, { table: null, decision: file.rest })).undecided;
  return batch.undecided ?? Number.POSITIVE_INFINITY;
}

/** By their places in the file: a key may be personal. */
function describeStrangers(rows: readonly { readonly table: string; readonly at: number }[]): string {
  const named = rows.slice(0, 10).map(({ table, at }) => `row ${at + 1} (${table})`);
  const more = rows.length > named.length ? ` and ${rows.length - named.length} more` : "";
  return `Nothing differs in ${named.join(", ")}${more} of --decisions, or the table has no primary key, so that its rows can't be decided one by one. See: wedsync-backup restores rows. Nothing of the file was taken.`;
}

const nameRow = (table: string, key: Readonly<Record<string, string>>): string =>
  JSON.stringify([table, Object.entries(key).sort(([a], [b]) => (a < b ? -1 : 1))]);

const letters: Readonly<Record<string, Decision>> = { b: "take backup", l: "keep live", m: "merge" };

/** Asks until all is decided or the person stops. @returns how many conflicts are left open. */
export async function decideAtTerminal(
  client: Client,
  target: RestoreTarget,
  restore: Restore,
  undecided: number,
  terminal: Terminal,
): Promise<number> {
  const batch = new DecisionBatch(client, restore);
  batch.undecided = undecided;
  const settled = new Set<string>();
  await withQuestions(terminal, async (ask) => {
    // One that is asked again may be of another kind than it was: removed since, or its value taken.
    for await (const row of readConflicts(target, restore.restoreId, { kind: null, undecidedOnly: true })) {
      if (settled.has(row.table)) continue;
      terminal.output.write(`\n${describeRow(row)}\n`);
      const answer = await askForLetter(ask, row.kind);
      if (answer === "q") break;
      const decision = letters[answer.toLowerCase()] as Decision;
      await batch.add(row.number, decision);
      if (answer === answer.toLowerCase()) continue;
      await batch.flush();
      batch.undecided = (await decideRemainingConflicts(client, restore, { table: row.table, decision })).undecided;
      settled.add(row.table);
    }
  });
  await batch.flush();
  return batch.undecided ?? undecided;
}

async function askForLetter(ask: (question: string) => Promise<string>, kind: DifferenceRow["kind"]): Promise<string> {
  const takes = kind === "live only" ? "take [b]ackup, which has no such row: it is REMOVED" : "take [b]ackup";
  for (;;) {
    const answer = await ask(`${takes}, keep [l]ive, [m]erge (capital: all the rest of this table), [q]uit for now: `);
    if (answer === "q" || letters[answer.toLowerCase()] !== undefined) return answer;
  }
}

class DecisionBatch {
  undecided: number | null = null;
  private held: { number: number; decision: Decision }[] = [];
  private readonly client: Client;
  private readonly restore: Restore;

  constructor(client: Client, restore: Restore) {
    this.client = client;
    this.restore = restore;
  }

  async add(number: number, decision: Decision): Promise<void> {
    this.held.push({ number, decision });
    if (this.held.length === maxDecisionsPerUpdate) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.held.length === 0) return;
    const { undecided } = await decideConflicts(this.client, this.restore, this.held);
    this.held = [];
    this.undecided = undecided;
  }
}

// Restoring an organization as another one: the staged rows get new keys, and from there on it is a restore like any other,
// of an organization that is not there yet. What can't be copied is refused before anything is made.
import { BackupError } from "../../../domain/errors.ts";
import { fromTable } from "../../../domain/membership-sql.ts";
import { planClone, type ClonePlan } from "../../../domain/restore/clone-plan.ts";
import { describePlace, splitPlace } from "../../../domain/restore/column-place.ts";
import type { TableDescription, TableName } from "../../../domain/schema.ts";
import { quoteIdentifier, quoteTable } from "../../../domain/sql-quoting.ts";
import { readLiveFacts } from "./live-facts.ts";
import { cloneRefusal } from "./clone-refusal.ts";
import type { RestoreContext } from "./restore-context.ts";

export const isClone = ({ input }: Pick<RestoreContext, "input">): boolean =>
  input.targetOrganizationId !== input.organizationId;

/** @throws CloneRefused, OrganizationInvalid, UsageInvalid */
export async function planCloneOf(context: RestoreContext): Promise<ClonePlan> {
  const { session, plan, liveSchema, input } = context;
  const { root } = plan.catalogue;
  if (input.selection.records !== null || input.mergeBase !== null)
    throw new BackupError(
      "UsageInvalid",
      "Single records, and merges with a later backup, can't be restored as another organization.",
    );
  if (!plan.tables.some(({ table }) => table === root.table))
    throw new BackupError(
      "UsageInvalid",
      `The new organization is made from ${root.table}, which must be among the chosen tables.`,
    );
  await assertTargetId(context);
  const members = new Set(plan.predicates.keys());
  const facts = await readLiveFacts(session, [...members]);
  // New keys make no new times or places: whether an exclusion constraint lets a copy in, its comparison says.
  const uniqueIndexes = new Map(
    [...facts.uniqueIndexes].map(([table, indexes]) => [table, indexes.filter((each) => each.operators === null)]),
  );
  const clone = planClone({ catalogue: plan.catalogue, schema: liveSchema, members, uniqueIndexes });
  // What has no rows has no values to share.
  const copied = new Set(input.backup.tables.filter(({ rows }) => rows > 0).map(({ table }) => table));
  const problems = clone.problems
    .filter(({ table }) => copied.has(table) && plan.tables.some((each) => each.table === table))
    .map(({ message }) => message);
  problems.push(...(await findLaggingSequences(context, clone, copied)));
  if (problems.length > 0) throw cloneRefusal("The organization can't be restored as another one", problems);
  return clone;
}

/** Numbers that would be drawn are somebody's already: the app's own next row would fail as well. */
async function findLaggingSequences(
  { session, liveSchema }: RestoreContext,
  { spaces }: ClonePlan,
  copied: ReadonlySet<TableName>,
): Promise<string[]> {
  const lines: string[] = [];
  for (const { sequence, origins } of spaces) {
    if (sequence === null) continue;
    const descending = liveSchema.sequences.find(({ name }) => name === sequence)?.increment.startsWith("-") === true;
    const [extreme, beyond] = descending ? ["min", "<"] : ["max", ">"];
    for (const place of origins) {
      const { table, column } = splitPlace(place);
      if (!copied.has(table)) continue;
      const sql = `SELECT (SELECT ${extreme}(${quoteIdentifier(column)}) FROM ${quoteTable(table)}) ${beyond} last_value FROM ${quoteTable(sequence)}`;
      if ((await session.value(sql, `looking where ${sequence} stands`)) === "t")
        lines.push(
          `${describePlace(place)}: its sequence ${sequence} stands behind the rows that are there; set it to their ${extreme === "max" ? "highest" : "lowest"} number first`,
        );
    }
  }
  return lines;
}

/** As the database prints it, so that one organization has one id. */
async function assertTargetId({ session, plan, input, liveSchema }: RestoreContext): Promise<void> {
  const { root } = plan.catalogue;
  const type = liveSchema.tables
    .find(({ name }) => name === root.table)
    ?.columns.find(({ name }) => name === root.key)?.type;
  const sql = `SELECT $1::text::${type ?? "text"}::text`;
  const printed = await session
    .value(sql, "reading the new organization's id", [input.targetOrganizationId])
    .catch((error: unknown) => {
      if (error instanceof BackupError && error.code === "RestoreTargetUnreachable") throw error;
      return null;
    });
  if (printed !== input.targetOrganizationId)
    throw new BackupError(
      "OrganizationInvalid",
      `The new organization's id is no ${type ?? "text"} as the database prints it. Nothing was touched.`,
    );
}

/** Also within the transaction that writes. @throws CloneRefused */
export async function refuseExistingTarget({ session, plan, liveSchema, input }: RestoreContext): Promise<void> {
  const tables = new Map(liveSchema.tables.map((table) => [table.name, table]));
  const found: TableName[] = [];
  for (const [name, predicate] of plan.predicates) {
    const from = fromTable(tables.get(name) as TableDescription);
    const sql = `SELECT EXISTS (SELECT 1 FROM ${from} AS t WHERE ${predicate("t")})`;
    if ((await session.value(sql, `looking for rows of the new organization in ${name}`)) === "t") found.push(name);
  }
  if (found.length > 0)
    throw cloneRefusal(
      `There are rows of organization ${input.targetOrganizationId} already; a copy needs an id that is new`,
      found,
    );
}

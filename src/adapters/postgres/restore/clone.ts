// Restoring an organization as another one: the staged rows get new keys, and from there on it is a restore like any other,
// of an organization that is not there yet. What can't be copied is refused before anything is made.
import { createHash } from "node:crypto";
import { BackupError } from "../../../domain/errors.ts";
import { countStrangers, countTooLong, countValues, findLeftovers } from "../../../domain/restore/clone-check-sql.ts";
import { planClone, type ClonePlan } from "../../../domain/restore/clone-plan.ts";
import {
  createCloneFunctions,
  createKeys,
  createPaths,
  mapStagedRows,
  type CloneNames,
} from "../../../domain/restore/clone-sql.ts";
import { planRestore } from "../../../domain/restore/restore-plan.ts";
import { restoredColumns } from "../../../domain/restore/row-sql.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { fromTable } from "../../../domain/membership-sql.ts";
import { describePlace, splitPlace } from "../../../domain/restore/column-place.ts";
import { quoteIdentifier, quoteTable } from "../../../domain/sql-quoting.ts";
import type { TableDescription, TableName } from "../../../domain/schema.ts";
import { readLiveFacts } from "./live-facts.ts";
import type { RestoreContext } from "./restore-context.ts";
import type { RestoreSession } from "./restore-session.ts";

export const isClone = ({ input }: Pick<RestoreContext, "input">): boolean =>
  input.targetOrganizationId !== input.organizationId;

const refused = (what: string, lines: readonly string[]): BackupError =>
  new BackupError("CloneRefused", `${what}; nothing was touched:\n- ${lines.join("\n- ")}`, { places: lines });

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
  const { uniqueIndexes } = await readLiveFacts(session, [...members]);
  const clone = planClone({ catalogue: plan.catalogue, schema: liveSchema, members, uniqueIndexes });
  // What has no rows has no values to share.
  const copied = new Set(input.backup.tables.filter(({ rows }) => rows > 0).map(({ table }) => table));
  const problems = clone.problems
    .filter(({ table }) => copied.has(table) && plan.tables.some((each) => each.table === table))
    .map(({ message }) => message);
  problems.push(...(await findLaggingSequences(context, clone, copied)));
  if (problems.length > 0) throw refused("The organization can't be restored as another one", problems);
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
    throw refused(
      `There are rows of organization ${input.targetOrganizationId} already; a copy needs an id that is new`,
      found,
    );
}

/** The organization that is copied owns every staged row, by the row itself. */
export function planSource({ input, liveSchema }: RestoreContext): readonly RestoreTable[] {
  return planRestore({
    organizationId: input.organizationId,
    catalogue: input.catalogue,
    backupSchema: input.backup.schema,
    stored: input.backup.tables,
    selection: input.selection,
    renamedColumns: input.renamedColumns,
    liveSchema,
  }).tables;
}

/** All tables are staged, under their old keys. @returns notes for people. @throws CloneRefused */
export async function mapStaged(context: RestoreContext, clone: ClonePlan): Promise<readonly string[]> {
  const { session, staging, plan, liveSchema, restoreId } = context;
  await refuseStrangers(context, clone);
  const names = await nameClone(context);
  await session.execute(createCloneFunctions(staging, clone, names), "making new keys");
  for (const space of clone.spaces)
    for (const sql of createKeys(staging, space, plan.tables, restoreId, names))
      await session.execute(sql, `making new keys for ${space.name}`);
  await session.execute(`CREATE INDEX ON ${staging.keys} (old, space); ANALYZE ${staging.keys}`, "making new keys");
  for (const table of plan.tables)
    for (const [column, change] of clone.changes.get(table.table) ?? [])
      if (change.by === "path")
        await session.execute(createPaths(staging, table, column), `naming the files of ${table.table}`);
  await session.execute(`CREATE INDEX ON ${staging.paths} (old); ANALYZE ${staging.paths}`, "naming files");
  await refuseTooLong(context, clone);
  for (const table of plan.tables) {
    const sql = mapStagedRows(staging, table, clone, liveSchema);
    if (sql !== null) await session.execute(sql, `giving new keys to ${table.table}`);
  }
  return await findOldIds(context, clone);
}

async function nameClone({ session, input, restoreId }: RestoreContext): Promise<CloneNames> {
  const doing = "naming the copy";
  await session.execute(
    `INSERT INTO wedsync_restore.clones (restore_id) VALUES (${restoreId}) ON CONFLICT DO NOTHING`,
    doing,
  );
  const secret = await session.value(
    `SELECT secret FROM wedsync_restore.clones WHERE restore_id = ${restoreId}`,
    doing,
  );
  const { organizationId, targetOrganizationId } = input;
  const suffix = createHash("sha256").update(targetOrganizationId).digest("hex").slice(0, 8);
  return { secret: secret as string, suffix, organizationId, targetOrganizationId };
}

async function refuseStrangers({ session, staging, plan }: RestoreContext, clone: ClonePlan): Promise<void> {
  const lines: string[] = [];
  const chosen = new Map(plan.tables.map((table) => [table.table, table]));
  for (const table of plan.tables) {
    const changes = clone.changes.get(table.table);
    for (const key of table.live.foreignKeys) {
      const isMapped = key.columns.some((name) => changes?.get(name)?.by === "key");
      if (!isMapped || key.columns.some((name) => ["null", "refusal"].includes(changes?.get(name)?.by ?? ""))) continue;
      const sql = countStrangers(staging, table, key, chosen.get(key.referencedTable) ?? null);
      const count = sql === null ? 0 : await session.count(sql, `looking where ${table.table} refers to`);
      if (count > 0)
        lines.push(
          `${table.table}.${key.columns.join(", ")}: ${count} rows refer to rows of ${key.referencedTable} that are not copied (not chosen, or another organization's)`,
        );
    }
    for (const [column, change] of changes ?? []) {
      if (change.by !== "refusal") continue;
      const count = await session.count(countValues(staging, table, column), `looking at ${table.table}`);
      if (count > 0)
        lines.push(`${table.table}.${column}: ${count} rows have a value, and the catalogue refuses to copy it`);
    }
  }
  if (lines.length > 0) throw refused("The organization can't be restored as another one", lines);
}

async function refuseTooLong({ session, staging, plan }: RestoreContext, clone: ClonePlan): Promise<void> {
  const lines: string[] = [];
  for (const table of plan.tables)
    for (const column of restoredColumns(table)) {
      const change = clone.changes.get(table.table)?.get(column.name);
      const sql = change === undefined ? null : countTooLong(staging, table, column, change);
      const count = sql === null ? 0 : await session.count(sql, `measuring ${table.table}`);
      if (count > 0)
        lines.push(`${table.table}.${column.name}: ${count} rows get a value that is longer than ${column.liveType}`);
    }
  if (lines.length > 0) throw refused("The organization can't be restored as another one", lines);
}

async function findOldIds(
  { session, staging, plan, input }: RestoreContext,
  clone: ClonePlan,
): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const table of plan.tables)
    for (const { column, sql } of findLeftovers(staging, table, clone)) {
      const count = await session.count(sql, `looking for old ids in ${table.table}`);
      if (count > 0) lines.push(`${table.table}.${column.name}: ${count} rows`);
    }
  if (lines.length > 0 && input.leftOverIds === "stop")
    throw refused(
      "Ids of the organization that is copied are still among the values of the copy (list these columns under links or externalIds, or take them along with --left-over-ids report)",
      lines,
    );
  const numbers = clone.spaces.filter(
    ({ isTelling, number, kind }) => !isTelling && (number === 0 || kind === "number"),
  );
  return [
    ...lines.map((line) => `ids of the organization that was copied are left in ${line}`),
    ...(numbers.length === 0
      ? []
      : [
          `old ids were not looked for where they are numbers, which can't be told from others: ${numbers.map(({ name }) => name).join(", ")}`,
        ]),
  ];
}

/** After this, no stage of the same restore gives the same keys again. */
export async function forgetClone(session: RestoreSession, restoreId: string): Promise<void> {
  const doing = "forgetting the old keys";
  for (const table of ["wedsync_restore.clones", "wedsync_restore.clone_numbers"]) {
    if ((await session.value("SELECT to_regclass($1) IS NOT NULL", doing, [table])) !== "t") continue;
    await session.execute(`DELETE FROM ${table} WHERE restore_id = $1`, doing, [restoreId]);
  }
}

// Writes planned changes into live tables, inside the caller's transaction, and proves them. Used by apply and rollback.
// Flow: prepare (values, rows as they were, what must step aside) → delete, update, insert → undo log → sequences → proofs.
//
// replica mode (session_replication_role, where granted): no triggers, no cascades, no foreign-key checks; so foreign keys
// are proven here by SQL, deferred unique constraints too, and parents are locked as their triggers would have done.
// origin mode: parents first and children first, circles by NULL and fill-in, the database checks itself; a trigger that
// changes rows makes the proof fail, by name.
import { BackupError } from "../../../domain/errors.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { countMergeConflicts, insertMergedValues } from "../../../domain/restore/merge-sql.ts";
import { countSwept } from "../../../domain/restore/proof-sql.ts";
import type { Staging } from "../../../domain/restore/staging-names.ts";
import { isStaged, parkHolders, type UniqueIndex } from "../../../domain/restore/unique-sql.ts";
import {
  captureBefore,
  createParked,
  createValues,
  deleteParked,
  deleteRows,
  deleteWholeRows,
  dropIdleUpdates,
  fillPostponed,
  findChangedColumns,
  insertParked,
  insertRows,
  insertWholeRows,
  logInserts,
  logUndo,
  parkIdentities,
  setAside,
  updateRows,
} from "../../../domain/restore/write-sql.ts";
import { columnOf, restoredColumns, restoredNames } from "../../../domain/restore/row-sql.ts";
import type { SchemaDescription } from "../../../domain/schema.ts";
import { quoteLiteral } from "../../../domain/sql-quoting.ts";
import type { LiveFacts } from "./live-facts.ts";
import type { RestoreSession } from "./restore-session.ts";

export interface WriteContext {
  readonly session: RestoreSession;
  readonly staging: Staging;
  readonly liveSchema: SchemaDescription;
  readonly facts: LiveFacts;
  readonly mode: "replica" | "origin";
  /** As an SQL literal. */
  readonly restoreId: string;
}

/** One table's part: its working table w is there. */
export interface WritePart {
  readonly table: RestoreTable;
  inserted: number;
  updated: number;
  deleted: number;
  /** Columns that at least one update changes. */
  changed: readonly string[];
  parked: number;
  /** Every row of s is inserted, and nothing else is done: w is s, and once that is proven s stands for what was written. */
  readonly insertsAll: boolean;
  /** Updates may be merged, with these columns of the later backup; null there = two-way. */
  readonly merge: { readonly baseNames: readonly string[] | null } | null;
  /** Rows in which both sides changed a column. */
  mergeConflicts: number;
}

/** Replica mode where the role may; the savepoint keeps the transaction when it may not. */
export async function chooseMode(session: RestoreSession): Promise<WriteContext["mode"]> {
  const doing = "asking for replica mode";
  await session.execute("SAVEPOINT mode", doing);
  try {
    await session.client.query("SET LOCAL session_replication_role = replica");
    await session.execute("RELEASE SAVEPOINT mode", doing);
    return "replica";
  } catch (error) {
    if ((error as { code?: string }).code !== "42501") throw error;
    await session.execute("ROLLBACK TO SAVEPOINT mode; RELEASE SAVEPOINT mode", doing);
    await session.execute("SET CONSTRAINTS ALL DEFERRED", doing);
    return "origin";
  }
}

/** Fills in what the part needs, and leaves out updates that change nothing. */
export async function preparePart(context: WriteContext, part: WritePart): Promise<void> {
  const { session, staging } = context;
  const { table } = part;
  if (part.insertsAll) return; // nothing was there before, and nothing is set
  const doing = `preparing ${table.table}`;
  const w = staging.table("w", table.number);
  await session.execute(`ANALYZE ${w}`, doing);
  if (table.key.length > 0) {
    await session.execute(createValues(staging, table), doing);
    const before = await session.execute(captureBefore(staging, table), doing);
    const expected = await session.count(`SELECT count(*) FROM ${w} WHERE operation <> 'insert'`, doing);
    if (before !== expected)
      throw new BackupError(
        "RestoreInvalid",
        `${expected - before} rows of ${table.table} are not the organization's; nothing was written.`,
        { table: table.table },
      );
    if (part.merge !== null) {
      const { baseNames } = part.merge;
      await session.execute(insertMergedValues(staging, table, baseNames), doing);
      if (baseNames !== null)
        part.mergeConflicts = await session.count(countMergeConflicts(staging, table, baseNames), doing);
      await session.execute(dropIdleUpdates(staging, table), doing);
    }
    await session.execute(
      `ANALYZE ${staging.table("v", table.number)}; ANALYZE ${staging.table("u", table.number)}`,
      doing,
    );
  }
  const amount = table.key.length === 0 ? "sum(copies)" : "count(*)";
  for (const row of await session.rows(
    `SELECT operation, ${amount}::text AS count FROM ${w} GROUP BY operation`,
    doing,
  )) {
    const count = Number(row["count"]);
    if (row["operation"] === "insert") part.inserted = count;
    else if (row["operation"] === "update") part.updated = count;
    else part.deleted = count;
  }
  if (table.key.length === 0) return;
  if (part.updated > 0) {
    const [row = {}] = await session.rows(findChangedColumns(staging, table), doing);
    part.changed = restoredNames(table).filter((_, index) => row[`c${index + 1}`] === "t");
    await park(context, part);
  }
  if (part.deleted > 0 && part.inserted + part.updated > 0) await parkLeaving(context, part);
}

/** Rows that go in the end, after their children, must not hold a unique value until then that another row gets before. */
async function parkLeaving(context: WriteContext, part: WritePart): Promise<void> {
  const { session, staging, facts, mode } = context;
  const { table } = part;
  if (mode === "replica") return; // they go first
  for (const index of facts.uniqueIndexes.get(table.table) ?? []) {
    if (index.deferrable || !isStaged(table, index)) continue;
    const sql = parkHolders(staging, table, index, { operation: "delete", again: true });
    const parked = await session.execute(sql, `making room in ${table.table}`);
    if (parked > 0) await stepAside(context, part, index, "delete");
  }
}

async function park(context: WriteContext, part: WritePart): Promise<void> {
  const { session, staging, facts, mode } = context;
  const { table, changed } = part;
  const doing = `making room in ${table.table}`;
  const identities = restoredColumns(table).filter((column) => column.identityAlways && changed.includes(column.name));
  if (identities.length > 0 && mode === "origin")
    throw new BackupError(
      "RestoreTargetRefused",
      `${table.table}.${identities[0]?.name} is GENERATED ALWAYS AS IDENTITY and can't be updated; ${howToGrant}`,
      { table: table.table },
    );
  if (identities.length > 0)
    part.parked += await session.execute(
      parkIdentities(
        staging,
        table,
        identities.map((column) => column.name),
      ),
      doing,
    );
  for (const index of facts.uniqueIndexes.get(table.table) ?? []) {
    if (!isStaged(table, index) || !index.columns.some((name) => changed.includes(name))) continue;
    if (mode === "origin" && index.deferrable) continue; // SET CONSTRAINTS looks at the end only
    const parked = await session.execute(
      parkHolders(staging, table, index, { operation: "update", again: mode === "origin" }),
      doing,
    );
    part.parked += parked;
    if (parked > 0 && mode === "origin") await stepAside(context, part, index, "update");
  }
}

/** No table or column is called so. */
const aliasMark = "wedsync_alias_mark";

const howToGrant =
  "grant the restoring role: GRANT SET ON PARAMETER session_replication_role TO <role> (Postgres 15 and later), or restore as a superuser.";

async function stepAside(
  { session, staging, facts }: WriteContext,
  { table, changed }: WritePart,
  index: UniqueIndex,
  operation: "update" | "delete",
): Promise<void> {
  const refers = (name: string): boolean =>
    facts.foreignKeys.some((key) => key.rootTable === table.table && key.columns.includes(name));
  const isReferredTo = (name: string): boolean =>
    facts.foreignKeys.some((key) => key.referencedTable === table.table && key.referencedColumns.includes(name));
  // It tells whose the row is: the organization's column would fit many an index, and no other value may ever stand there.
  const tells = (name: string): boolean => table.predicate(aliasMark).includes(columnOf(aliasMark, name));
  // What an update does not set would keep the value.
  const candidates = restoredColumns(table).filter(
    ({ name }) =>
      index.columns.includes(name) &&
      (operation === "delete" || changed.includes(name)) &&
      !table.key.includes(name) &&
      !isReferredTo(name) &&
      !tells(name),
  );
  const values: readonly [RegExp, string][] = [
    [/^(text|character varying|public\.citext)$/, "'wedsync ' || gen_random_uuid()::text"],
    [/^uuid$/, "gen_random_uuid()"],
    [/^(integer|bigint)$/, "-(1 + (random() * 2000000000)::integer)"],
  ];
  for (const column of candidates) {
    const nullable =
      table.live.columns.find((each) => each.name === column.name)?.notNull === false && !index.nullsEqual;
    const made = refers(column.name) ? undefined : values.find(([type]) => type.test(column.liveType ?? ""))?.[1];
    const value = nullable ? "NULL" : made;
    if (value === undefined) continue;
    await session.execute(setAside(staging, table, operation, column.name, value), `making room in ${table.table}`);
    return;
  }
  throw new BackupError(
    "RestoreTargetRefused",
    `Rows of ${table.table} hold values of ${index.name} that other rows get; ${howToGrant}`,
    { table: table.table, constraint: index.name },
  );
}

/** Children first for deletions, parents first for the rest. `parts` come parents first. */
export async function writeParts(context: WriteContext, parts: readonly WritePart[]): Promise<void> {
  const { session, staging, mode } = context;
  if (mode === "replica") for (const part of parts.toReversed()) await removeRows(context, part);
  const postponed = new Map(parts.map((part) => [part, mode === "origin" ? findPostponed(context, part, parts) : []]));
  for (const part of parts) {
    const { table } = part;
    const doing = `writing ${table.table}`;
    if (table.key.length === 0) {
      if (part.inserted > 0)
        expectRows(
          part,
          part.inserted,
          await session.execute(insertWholeRows(staging, table, context.restoreId, quoteLiteral(table.table)), doing),
        );
      continue;
    }
    const isParked = part.parked > 0 && mode === "replica";
    if (isParked) {
      for (const sql of createParked(staging, table)) await session.execute(sql, doing);
      expectRows(part, part.parked, await session.execute(deleteParked(staging, table), doing));
      if (part.updated > part.parked) await updatePart(context, part, part.updated - part.parked);
    }
    if (part.inserted > 0) {
      const inserted = await session.execute(
        insertRows(staging, table, postponed.get(part) ?? [], part.insertsAll),
        doing,
      );
      expectRows(part, part.inserted, inserted);
    }
    if (isParked) expectRows(part, part.parked, await session.execute(insertParked(staging, table), doing));
    else if (mode === "replica" && part.updated > 0) await updatePart(context, part, part.updated);
  }
  if (mode === "replica") return;
  for (const part of parts) {
    const columns = postponed.get(part) ?? [];
    if (columns.length > 0 && part.inserted > 0)
      await session.execute(fillPostponed(staging, part.table, columns), `linking ${part.table.table}`);
    if (part.updated > 0) await refuseSwept(context, part, parts, "update");
    if (part.updated > 0) await updatePart(context, part, part.updated);
  }
  for (const part of parts.toReversed()) {
    if (part.deleted > 0) await refuseSwept(context, part, parts, "delete");
    await removeRows(context, part);
  }
}

/**
 * ON DELETE CASCADE, SET NULL and SET DEFAULT (and their ON UPDATE kin) write rows that no undo log holds, of tables that
 * nobody chose, maybe of another organization: nothing of the kind may happen on the side.
 */
async function refuseSwept(
  { session, staging, facts }: WriteContext,
  part: WritePart,
  parts: readonly WritePart[],
  by: "delete" | "update",
): Promise<void> {
  const { table, changed } = part;
  if (table.key.length === 0) return;
  for (const key of facts.foreignKeys) {
    if (key.referencedTable !== table.table) continue;
    if (by === "update" && !key.referencedColumns.some((name) => changed.includes(name))) continue;
    const child = parts.find((each) => each.table.table === key.rootTable)?.table ?? null;
    const sql = countSwept(staging, table, key, child, by);
    const swept = await session.count(sql, `looking for rows that need ${table.table}`);
    if (swept === 0) continue;
    throw new BackupError(
      "RestoreInvalid",
      `Foreign key ${key.name}: ${swept} rows of ${key.table} still need rows of ${table.table} that would ${by === "delete" ? "go" : "change"}; keep rows that exist only live, or restore both. Nothing was committed.`,
      { table: key.table, constraint: key.name },
    );
  }
}

async function updatePart({ session, staging, mode }: WriteContext, part: WritePart, expected: number): Promise<void> {
  const identities = new Set(
    restoredColumns(part.table)
      .filter((column) => column.identityAlways)
      .map((column) => column.name),
  );
  const names = part.changed.filter((name) => !identities.has(name));
  if (names.length === 0) return;
  const sql = updateRows(staging, part.table, names, mode === "origin");
  expectRows(part, expected, await session.execute(sql, `writing ${part.table.table}`));
}

async function removeRows({ session, staging, restoreId }: WriteContext, part: WritePart): Promise<void> {
  if (part.deleted === 0) return;
  const { table } = part;
  const sql =
    table.key.length === 0
      ? deleteWholeRows(staging, table, restoreId, quoteLiteral(table.table))
      : deleteRows(staging, table);
  expectRows(part, part.deleted, await session.execute(sql, `removing rows of ${table.table}`));
}

function expectRows({ table }: WritePart, expected: number, written: number): void {
  if (written === expected) return;
  throw new BackupError(
    "RestoreInvalid",
    `${table.table}: ${written} rows were written where ${expected} were planned (a trigger or a rule?); nothing was committed.`,
    { table: table.table, written, expected },
  );
}

/** References into tables that are written later, or in a circle: NULL first. Deferrable ones wait by themselves. */
function findPostponed({ facts }: WriteContext, part: WritePart, parts: readonly WritePart[]): readonly string[] {
  if (part.inserted === 0) return [];
  const position = parts.indexOf(part);
  return facts.foreignKeys
    .filter((key) => key.rootTable === part.table.table && !key.deferrable)
    .filter((key) => parts.findIndex((each) => each.table.table === key.referencedTable) > position)
    .flatMap((key) => key.columns)
    .filter((name) => part.table.live.columns.find((column) => column.name === name)?.notNull === false);
}

export async function logParts(
  { session, staging, restoreId }: WriteContext,
  parts: readonly WritePart[],
  liveRowsBefore: (table: RestoreTable) => number,
): Promise<void> {
  for (const { table, insertsAll } of parts) {
    if (table.key.length === 0) continue;
    const name = quoteLiteral(table.table);
    const statements = insertsAll
      ? logInserts(staging, table, restoreId, name, liveRowsBefore(table) === 0)
      : [logUndo(staging, table, restoreId, name)];
    for (const sql of statements) await session.execute(sql, `keeping the undo log of ${table.table}`);
  }
}

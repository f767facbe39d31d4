// Unique values that one row holds and another is about to get. Rows that hold such a value are parked. Where triggers rest
// they are taken out and come back; where triggers run, which would let their children go with them, they stay, and the
// value is set aside: to NULL, or to one that nobody has.
import { BackupError } from "../../../domain/errors.ts";
import { aliasMark } from "../../../domain/membership-sql.ts";
import type { StagedColumn } from "../../../domain/restore/map-table.ts";
import { columnOf, restoredColumns } from "../../../domain/restore/row-sql.ts";
import { isStaged, parkHolders, type UniqueIndex } from "../../../domain/restore/unique-sql.ts";
import { parkIdentities, setAside } from "../../../domain/restore/write-sql.ts";
import type { WriteContext } from "./write-context.ts";
import type { WritePart } from "./write-part.ts";

const howToGrant =
  "grant the restoring role: GRANT SET ON PARAMETER session_replication_role TO <role> (Postgres 15 and later), or restore as a superuser.";

/** @throws RestoreTargetRefused */
export async function makeRoomForUpdates(context: WriteContext, part: WritePart): Promise<void> {
  const { session, staging, facts, mode } = context;
  const { table, changed } = part;
  const doing = `making room in ${table.table}`;
  const identities = restoredColumns(table)
    .filter((column) => column.identityAlways && changed.includes(column.name))
    .map((column) => column.name);
  if (identities.length > 0 && mode === "origin")
    throw new BackupError(
      "RestoreTargetRefused",
      `${table.table}.${identities[0]} is GENERATED ALWAYS AS IDENTITY and can't be updated; ${howToGrant}`,
      { table: table.table },
    );
  if (identities.length > 0) part.parked += await session.execute(parkIdentities(staging, table, identities), doing);
  for (const index of facts.uniqueIndexes.get(table.table) ?? []) {
    if (!isStaged(table, index) || !index.columns.some((name) => changed.includes(name))) continue;
    if (mode === "origin" && index.deferrable) continue; // SET CONSTRAINTS looks at the end only
    const again = mode === "origin";
    const parked = await session.execute(parkHolders(staging, table, index, { operation: "update", again }), doing);
    part.parked += parked;
    if (parked > 0 && mode === "origin") await stepAside(context, part, index, "update");
  }
}

/**
 * Rows that go in the end, after their children, must not hold a unique value until then that another row gets before.
 *
 * @throws RestoreTargetRefused
 */
export async function makeRoomOfLeaving(context: WriteContext, part: WritePart): Promise<void> {
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

async function stepAside(
  context: WriteContext,
  part: WritePart,
  index: UniqueIndex,
  operation: "update" | "delete",
): Promise<void> {
  const { table } = part;
  for (const column of findMovable(context, part, index, operation)) {
    const value = valueAside(context, part, index, column);
    if (value === null) continue;
    const sql = setAside(context.staging, table, operation, column.name, value);
    await context.session.execute(sql, `making room in ${table.table}`);
    return;
  }
  throw new BackupError(
    "RestoreTargetRefused",
    `Rows of ${table.table} hold values of ${index.name} that other rows get; ${howToGrant}`,
    { table: table.table, constraint: index.name },
  );
}

/** Columns of the index that may hold something else for a while. */
function findMovable(
  { facts }: WriteContext,
  { table, changed }: WritePart,
  index: UniqueIndex,
  operation: "update" | "delete",
): readonly StagedColumn[] {
  const isReferredTo = (name: string): boolean =>
    facts.foreignKeys.some((key) => key.referencedTable === table.table && key.referencedColumns.includes(name));
  // It tells whose the row is: the organization's column would fit many an index, and no other value may ever stand there.
  const tells = (name: string): boolean => table.predicate(aliasMark).includes(columnOf(aliasMark, name));
  // What an update does not set would keep the value.
  return restoredColumns(table).filter(
    ({ name }) =>
      index.columns.includes(name) &&
      (operation === "delete" || changed.includes(name)) &&
      !table.key.includes(name) &&
      !isReferredTo(name) &&
      !tells(name),
  );
}

const unusedValues: readonly (readonly [liveType: RegExp, sql: string])[] = [
  [/^(text|character varying|public\.citext)$/, "'wedsync ' || gen_random_uuid()::text"],
  [/^uuid$/, "gen_random_uuid()"],
  [/^(integer|bigint)$/, "-(1 + (random() * 2000000000)::integer)"],
];

/** SQL of a value that no row has; null where there is none. */
function valueAside(
  { facts }: WriteContext,
  { table }: WritePart,
  index: UniqueIndex,
  { name, liveType }: StagedColumn,
): string | null {
  const isNullable = table.live.columns.find((each) => each.name === name)?.notNull === false;
  if (isNullable && !index.nullsEqual) return "NULL";
  if (index.operators !== null) return null; // under <>, a value that nobody has excludes the more rows
  const refers = facts.foreignKeys.some((key) => key.rootTable === table.table && key.columns.includes(name));
  return refers ? null : (unusedValues.find(([type]) => type.test(liveType ?? ""))?.[1] ?? null);
}

// Unique values: which rows of the backup can't come back because a row that stays holds their value, and which of the
// organization's rows must be out of the way while values move between them.
import type { RestoreTable } from "./restore-table.ts";
import { newerThan } from "./proof-sql.ts";
import { columnsOf, keyMatches, keyNames, keysMatch, liveTable } from "./row-sql.ts";
import type { Staging } from "./staging-names.ts";

/**
 * What no two rows of the live table may share: a unique index, or that of an exclusion constraint. A primary key, which is
 * compared as a key, is among them only where it is checked at the end.
 */
export interface UniqueIndex {
  readonly name: string;
  /** As pg_get_indexdef() prints each column or expression: of the table's own columns, without alias. */
  readonly expressions: readonly string[];
  /** Of an exclusion constraint, one for each expression: two rows for which all are true exclude each other. Null = equality. */
  readonly operators: readonly string[] | null;
  readonly condition: string | null;
  readonly nullsEqual: boolean;
  /** Checked at the end of the transaction, by a trigger that replica mode does not fire. */
  readonly deferrable: boolean;
  /** Columns that it is made of, with those in expressions and condition. */
  readonly columns: readonly string[];
}

/** The column itself is among the index's values, not only in an expression. */
export const isPlainColumn = ({ expressions }: UniqueIndex, column: string): boolean =>
  expressions.some((each) => each === column || each === `"${column.replaceAll('"', '""')}"`);

/** Key columns as k1…, the index's values as u1… */
function withValues(from: string, table: RestoreTable, index: UniqueIndex, more: string): string {
  const keys = table.key.map((name, position) => `${columnsOf("r", [name])} AS k${position + 1}`);
  const values = index.expressions.map((expression, position) => `${expression} AS u${position + 1}`);
  const where = index.condition === null ? "" : ` WHERE ${index.condition}`;
  return `SELECT ${[...keys, ...values].join(", ")}${more} FROM ${from} AS r${where}`;
}

const valuesMatch = (a: string, b: string, { expressions, operators, nullsEqual }: UniqueIndex): string =>
  expressions
    .map((_, position) => {
      const [left, right] = [`${a}.u${position + 1}`, `${b}.u${position + 1}`];
      if (operators !== null) return `${left} ${operators[position]} ${right}`;
      return nullsEqual ? `(${left} = ${right} OR (${left} IS NULL AND ${right} IS NULL))` : `${left} = ${right}`;
    })
    .join(" AND ");

const keysDiffer = (a: string, b: string, table: RestoreTable): string =>
  `NOT (${keyNames(table)
    .map((name) => `${a}.${name} = ${b}.${name}`)
    .join(" AND ")})`;

/** The expression's columns are all staged; else only the database can tell, by refusing. */
export const isStaged = (table: RestoreTable, index: UniqueIndex): boolean =>
  index.columns.every((name) => table.columns.some((column) => column.name === name && column.liveType !== null));

/**
 * A holder stays unless it is the organization's and moves on itself: overwritten, or removed. Repeat until nothing is
 * marked any more: a row that is taken stays as it is, and so does its value.
 */
export function markTakenByValue(
  staging: Staging,
  table: RestoreTable,
  index: UniqueIndex,
  fate: { readonly writesChanged: boolean; readonly movesChanged: boolean; readonly removesLiveOnly: boolean },
): string {
  const d = staging.table("d", table.number);
  const wanted = fate.writesChanged ? "('missing', 'changed')" : "('missing')";
  const moves = [...(fate.movesChanged ? ["'changed'"] : []), ...(fate.removesLiveOnly ? ["'live only'"] : [])];
  const own = `EXISTS (SELECT 1 FROM ${liveTable(table)} AS t WHERE ${keyMatches("t", "h", table)} AND ${table.predicate("t")})`;
  const movesOn =
    moves.length === 0
      ? "false"
      : `EXISTS (SELECT 1 FROM ${d} AS f WHERE ${keyNames(table)
          .map((name) => `f.${name} = h.${name}`)
          .join(" AND ")} AND f.kind IN (${moves.join(", ")})) AND ${own}`;
  return (
    `UPDATE ${d} AS d SET kind = 'taken' FROM (${withValues(staging.table("s", table.number), table, index, "")}) AS n ` +
    `JOIN (${withValues(liveTable(table), table, index, "")}) AS h ON ${valuesMatch("n", "h", index)} AND ${keysDiffer("n", "h", table)} ` +
    `WHERE d.kind IN ${wanted} AND ${keyNames(table)
      .map((name) => `n.${name} = d.${name}`)
      .join(" AND ")} AND NOT (${movesOn})`
  );
}

/**
 * Rows whose present value another row of the same restore is going to take: they leave before anything is written.
 * `again`: also those that are parked for another index, because they have a value to give up for each.
 */
export function parkHolders(
  staging: Staging,
  table: RestoreTable,
  index: UniqueIndex,
  { operation, again }: { readonly operation: "update" | "delete"; readonly again: boolean },
): string {
  const w = staging.table("w", table.number);
  const source = (kind: "s" | "v", writtenBy: string): string =>
    `SELECT n.* FROM (${withValues(staging.table(kind, table.number), table, index, "")}) AS n JOIN ${w} AS o ON o.operation = '${writtenBy}' AND ${keyNames(
      table,
    )
      .map((name) => `n.${name} = o.${name}`)
      .join(" AND ")}`;
  return (
    `UPDATE ${w} AS w SET parked = true FROM (${source("s", "insert")} UNION ALL ${source("v", "update")}) AS n ` +
    `JOIN (${withValues(liveTable(table), table, index, "")}) AS h ON ${valuesMatch("n", "h", index)} AND ${keysDiffer("n", "h", table)} ` +
    `WHERE w.operation = '${operation}'${again ? "" : " AND NOT w.parked"} AND ${keyNames(table)
      .map((name) => `h.${name} = w.${name}`)
      .join(" AND ")}`
  );
}

/** Values that two rows hold, one of them just written. By their places: of a primary key, two may have one key. */
export const countDuplicates = (staging: Staging, table: RestoreTable, index: UniqueIndex): string => {
  const rows = withValues(liveTable(table), table, index, ", r.tableoid AS row_table, r.ctid AS row_place");
  return `SELECT count(*) AS count FROM (${rows}) AS n JOIN ${staging.table("w", table.number)} AS w ON w.operation <> 'delete' AND ${keyNames(
    table,
  )
    .map((name) => `n.${name} = w.${name}`)
    .join(
      " AND ",
    )} JOIN (${rows}) AS h ON ${valuesMatch("n", "h", index)} AND (n.row_table, n.row_place) <> (h.row_table, h.row_place)`;
};

/** Values of rows that the restoring transaction's snapshot does not see, as texts (u1…) with their types (t1…). */
export function newerValues(table: RestoreTable, index: UniqueIndex, snapshot: string): string {
  const values = index.expressions.map(
    (_, at) =>
      `n.u${at + 1}::text AS u${at + 1}, (SELECT quote_ident(s.nspname) || '.' || quote_ident(y.typname) FROM pg_type AS y ` +
      `JOIN pg_namespace AS s ON s.oid = y.typnamespace WHERE y.oid = pg_typeof(n.u${at + 1})) AS t${at + 1}`,
  );
  const newer = newerThan(snapshot, "n.row_xmin");
  return (
    `SELECT ${values.join(", ")} FROM (${withValues(liveTable(table), table, index, ", r.xmin AS row_xmin")}) AS n ` +
    `${newer.from} WHERE ${newer.where}`
  );
}

/** Written rows that hold one of those values; parameters: a text[] for each. */
export const countWithValues = (
  staging: Staging,
  table: RestoreTable,
  index: UniqueIndex,
  types: readonly string[],
): string => {
  const texts = types.map((_, at) => `$${at + 1}::text[]`).join(", ");
  const casts = types.map((type, at) => `g.u${at + 1}::${type} AS u${at + 1}`).join(", ");
  return (
    `SELECT count(*) AS count FROM (${withValues(liveTable(table), table, index, "")}) AS n ` +
    `JOIN ${staging.table("w", table.number)} AS w ON w.operation <> 'delete' AND ${keysMatch("n", "w", table)} ` +
    `JOIN (SELECT ${casts} FROM unnest(${texts}) AS g(${types.map((_, at) => `u${at + 1}`).join(", ")})) AS h ON ${valuesMatch("n", "h", index)}`
  );
};

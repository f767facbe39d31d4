// The SQL of memberships: conditions on one row of a table, under an alias, with the organization as placeholder $1.
import type { PolymorphicTable } from "./catalogue.ts";
import { typeOf } from "./column-facts.ts";
import type { ForeignKey, TableDescription, TableName } from "./schema.ts";
import { quoteIdentifier, quoteLiteral, quoteTable, quoteType } from "./sql-quoting.ts";

/**
 * `open` holds the tables whose rows are already being explained by other rows. Of these only their own column counts,
 * so that two tables that fall back on each other make no endless text.
 */
export type Predicate = (alias: string, open?: ReadonlySet<TableName>) => string;

/** For an alias that is looked for in a predicate's SQL, or put in its place later: no table or column is called so. */
export const aliasMark = "wedsync_alias_mark";

/** A query for the keys ("id") of rows that a table is about to get, or is about to lose; null = of none. */
export type Transit = (table: TableName) => string | null;

/** How rows hang on rows of the same table. */
export interface SelfEdge {
  readonly columns: readonly string[];
  readonly target: readonly string[];
  /** Polymorphic: only where this column says so. */
  readonly type: { readonly column: string; readonly is: string } | null;
}

/** ONLY: a table that others inherit from must not show their rows as its own. A partitioned one has none but theirs. */
export const fromTable = (table: TableDescription): string =>
  `${table.kind === "partitioned" ? "" : "ONLY "}${quoteTable(table.name)}`;

const column = (alias: string, name: string): string => `${alias}.${quoteIdentifier(name)}`;
const texts = /^(text|character varying.*)$/;
const wholeNumbers = /^(smallint|integer|bigint)$/;

/** `operator`: the foreign key's own equality, where that is not the plain one (citext: "A" is "a"). */
export function byColumn(name: string, type: string, keyType: string, operator: string | null): Predicate {
  const key = `$1::${quoteType(keyType)}`;
  const comparable = operator !== null || type === keyType || (wholeNumbers.test(type) && wholeNumbers.test(keyType));
  return (alias) => {
    const own = column(alias, name);
    if (operator !== null) return `${key} ${operator} ${own}`;
    if (comparable) return `${own} = ${key}`;
    // No foreign key says that they are alike: as text, which can't fail, and uses the index where the column is text.
    return texts.test(type) ? `${own} = ${key}::text` : `${own}::text = ${key}::text`;
  };
}

export const anyOf =
  (predicates: readonly Predicate[]): Predicate =>
  (alias, open) =>
    predicates.length === 0 ? "false" : `(${predicates.map((each) => each(alias, open)).join(" OR ")})`;

export function byKey(key: ForeignKey, parent: TableDescription, isMember: Predicate): Predicate {
  return (alias, open) => {
    const inner = `${alias}p`;
    return `EXISTS (SELECT 1 FROM ${fromTable(parent)} AS ${inner} WHERE ${joinKey(key, inner, alias)} AND ${isMember(inner, open)})`;
  };
}

/** True where the row under `child` points at the one under `parent`. */
export function joinKey(key: ForeignKey, parent: string, child: string): string {
  return key.columns
    .slice(0, isPeriod(key) ? -1 : undefined)
    .map((name, at) => {
      const theirs = column(parent, key.referencedColumns[at] as string);
      return `${theirs} ${key.operators?.[at] ?? "="} ${column(child, name)}`;
    })
    .join(" AND ");
}

/** Its last column is a range that several rows of the parent cover together; the others say whose they are. */
const isPeriod = ({ definition, columns }: ForeignKey): boolean =>
  columns.length > 1 && /\bPERIOD /.test(definition.replaceAll(/"(?:[^"]|"")*"/g, '""'));

export function byType(
  table: TableDescription,
  { typeColumn, idColumn }: PolymorphicTable,
  type: string,
  target: TableDescription,
  isMember: Predicate,
  inTransit: string | null,
): Predicate {
  const key = target.primaryKey[0] as string;
  // Of different types, both as text: a cast the other way could fail on an id that means another table.
  const cast = typeOf(table, idColumn) === typeOf(target, key) ? "" : "::text";
  return (alias, open) => {
    const inner = `${alias}p`;
    const same = `${column(inner, key)}${cast} = ${column(alias, idColumn)}${cast}`;
    const found = `EXISTS (SELECT 1 FROM ${fromTable(target)} AS ${inner} WHERE ${same} AND ${isMember(inner, open)})`;
    const ofType = isType(alias, { column: typeColumn, is: type });
    if (inTransit === null) return `(${ofType} AND ${found})`;
    const row = `${alias}r`;
    const comes =
      `EXISTS (SELECT 1 FROM (${inTransit}) AS ${row} WHERE ${row}.id${cast} = ${column(alias, idColumn)}${cast} ` +
      `AND NOT EXISTS (SELECT 1 FROM ${fromTable(target)} AS ${row}t WHERE ${column(`${row}t`, key)} = ${row}.id))`;
    return `(${ofType} AND (${found} OR ${comes}))`;
  };
}

const isType = (alias: string, type: { readonly column: string; readonly is: string }): string =>
  `${column(alias, type.column)}::text = ${quoteLiteral(type.is)}`;

/** The organization's column where it has a value; where it is NULL, what the row hangs on. */
export function fallingBack(
  table: TableDescription,
  name: string,
  direct: Predicate,
  paths: Predicate,
  edges: readonly SelfEdge[],
): Predicate {
  return (alias, open = new Set()) => {
    if (open.has(table.name)) return direct(alias, open);
    const within = new Set([...open, table.name]);
    const isNull = (row: string): string => `${column(row, name)} IS NULL`;
    const base: Predicate = (row) => `(${direct(row, within)} OR (${isNull(row)} AND ${paths(row, within)}))`;
    return withRowsBelow(table, base, edges, isNull)(alias, within);
  };
}

/** Rows that `base` is true for, and rows below them by the table's references to itself. */
export function withRowsBelow(
  table: TableDescription,
  base: Predicate,
  edges: readonly SelfEdge[],
  onlyWhere: ((alias: string) => string) | null = null,
): Predicate {
  if (edges.length === 0) return base;
  const carried = [...new Set(edges.flatMap((edge) => edge.target))];
  const list = (alias: string, names: readonly string[]): string => names.map((name) => column(alias, name)).join(", ");
  const guard = (alias: string, { type }: SelfEdge): string =>
    [...(onlyWhere === null ? [] : [onlyWhere(alias)]), ...(type === null ? [] : [isType(alias, type)])]
      .map((condition) => `${condition} AND `)
      .join("");
  const types = new Map(table.columns.map((each) => [each.name, each.type]));
  const castOf = (edge: SelfEdge, at: number): string =>
    types.get(edge.columns[at] as string) === types.get(edge.target[at] as string) ? "" : "::text";
  const below = edges.map((edge) => {
    const joined = edge.columns.map((name, at) => {
      const cast = castOf(edge, at);
      return `${column("below", name)}${cast} = ${column("reached", edge.target[at] as string)}${cast}`;
    });
    return `(${guard("below", edge)}${joined.join(" AND ")})`;
  });
  return (alias, open) => {
    const reached =
      `WITH RECURSIVE reached AS (SELECT ${list("start", carried)} FROM ${fromTable(table)} AS start WHERE ${base("start", open)} ` +
      `UNION SELECT ${list("below", carried)} FROM ${fromTable(table)} AS below JOIN reached ON ${below.join(" OR ")})`;
    const branches = edges.map((edge) => {
      const own = edge.columns.map((name, at) => `${column(alias, name)}${castOf(edge, at)}`);
      const theirs = edge.target.map((name, at) => `${column("reached", name)}${castOf(edge, at)}`);
      return `(${guard(alias, edge)}(${own.join(", ")}) IN (${reached} SELECT ${theirs.join(", ")} FROM reached))`;
    });
    return `(${base(alias, open)} OR ${branches.join(" OR ")})`;
  };
}

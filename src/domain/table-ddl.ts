// The statements that make one table again: its columns first, with what rows need to come in; its keys, checks and indexes
// once they are there.
import { relation, step, type DdlStep } from "./ddl-step.ts";
import type { MadeTables } from "./made-tables.ts";
import { placeIndex } from "./placed-ddl.ts";
import type { ColumnDescription, TableDescription } from "./schema.ts";
import { sequenceOptions, type OwnedSequence } from "./sequence-ddl.ts";
import { quoteIdentifier } from "./sql-quoting.ts";

/** `leftOut` gets what of the table is not made. */
export function createTable(
  made: MadeTables,
  table: TableDescription,
  sequences: readonly OwnedSequence[],
  leftOut: string[],
): DdlStep[] {
  const subject = `table ${table.name}`;
  const name = made.quote(table.name);
  const root = made.rootOf(table);
  const makes = relation(made.place(table.name));
  if (table.partitionOf !== null) {
    const sql = `CREATE TABLE ${name} PARTITION OF ${made.quote(table.partitionOf)} ${table.partitionClause ?? "DEFAULT"}`;
    return [{ ...step(subject, sql, "fail", root), makes }, ...setOwnDefaults(made, table)];
  }
  const write = (withDefaults: boolean): string => {
    const columns = table.columns.map(
      (column) => `  ${describeColumn(made, table, column, sequences, withDefaults, leftOut)}`,
    );
    return `CREATE TABLE ${name} (\n${columns.join(",\n")}\n)${table.kind === "partitioned" ? ` ${table.partitionClause ?? ""}` : ""}`;
  };
  const plain = { sql: write(false), leftOut: `column defaults of ${table.name}` };
  return [{ ...step(subject, write(true), table.columns.some(hasDefault) ? plain : "fail", root), makes }];
}

const hasDefault = ({ generated, identity, defaultSql }: ColumnDescription): boolean =>
  generated === null && identity === null && defaultSql !== null;

/** COPY through the parent takes the parent's; these count for the rows to come. */
function setOwnDefaults(made: MadeTables, table: TableDescription): DdlStep[] {
  const parent = new Map(made.parentOf(table)?.columns.map((column) => [column.name, column]));
  return table.columns
    .filter((column) => hasDefault(column) && column.defaultSql !== parent.get(column.name)?.defaultSql)
    .map(({ name, defaultSql }) =>
      step(
        `default of ${table.name}.${name}`,
        `ALTER TABLE ${made.quote(table.name)} ALTER COLUMN ${quoteIdentifier(name)} SET DEFAULT ${defaultSql}`,
        "leave out",
        made.rootOf(table),
      ),
    );
}

function describeColumn(
  made: MadeTables,
  table: TableDescription,
  column: ColumnDescription,
  sequences: readonly OwnedSequence[],
  withDefault: boolean,
  leftOut: string[],
): string {
  const parts = [quoteIdentifier(column.name), column.type];
  if (column.collation !== null) parts.push(`COLLATE ${column.collation}`);
  if (column.generated !== null)
    parts.push(`GENERATED ALWAYS AS (${column.defaultSql ?? "NULL"}) ${column.generated.toUpperCase()}`);
  else if (column.identity !== null)
    parts.push(
      `GENERATED ${column.identity.toUpperCase()} AS IDENTITY${identityOptions(made, table, column, sequences)}`,
    );
  else if (withDefault && column.defaultSql !== null) parts.push(`DEFAULT ${column.defaultSql}`);
  const isEmpty =
    made.isOmitted(table, column) && (column.defaultSql === null || !withDefault) && column.identity === null;
  if (column.notNull && !isEmpty) parts.push("NOT NULL");
  if (column.notNull && isEmpty && withDefault)
    leftOut.push(`NOT NULL of ${table.name}.${column.name}: the catalogue leaves its values out of backups`);
  return parts.join(" ");
}

function identityOptions(
  made: MadeTables,
  table: TableDescription,
  column: ColumnDescription,
  sequences: readonly OwnedSequence[],
): string {
  const own = sequences.find(({ owner }) => owner?.table.name === table.name && owner.column === column.name);
  return own === undefined ? "" : ` (SEQUENCE NAME ${made.quote(own.name)} ${sequenceOptions(own)})`;
}

const kindOrder = { p: 0, u: 1, x: 2, c: 3 } as const;

export function addConstraints(made: MadeTables, table: TableDescription): DdlStep[] {
  // A partition has its parent's already.
  const inherited = new Set(made.parentOf(table)?.constraints.map((each) => each.name));
  return table.constraints
    .filter(({ name, kind }) => !(kind === "c" && inherited.has(name)))
    .sort((a, b) => kindOrder[a.kind] - kindOrder[b.kind])
    .map(({ name, definition }) =>
      step(
        `constraint ${name} of ${table.name}`,
        `ALTER TABLE ${made.quote(table.name)} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition}`,
        "leave out",
        made.rootOf(table),
      ),
    );
}

const onlyOfParent = /^(CREATE (?:UNIQUE )?INDEX (?:"(?:[^"]|"")*"|[^\s"]+) ON )ONLY /;

/** pg_get_indexdef() says ONLY of a partitioned table's index, which would leave the partitions without theirs. */
export function addIndexes(made: MadeTables, table: TableDescription): DdlStep[] {
  return table.indexes.map((definition) => {
    const sql = placeIndex(definition.replace(onlyOfParent, "$1"), table.name, made.place);
    return step(`an index of ${table.name}`, sql, "leave out", made.rootOf(table));
  });
}

// Tables can be made in schemas that nobody looks into, and be moved to their own when everything is there. What names a
// table must then name it where it is: foreign keys and indexes, whose text is Postgres' own. Whatever else could name one
// (a function, a column of a table's row type) keeps the whole backup from being made so.
import type { SchemaDescription, TableDescription, TableName } from "./schema.ts";
import { quoteTable, splitTable } from "./sql-quoting.ts";
import { mentionsTable } from "./type-ddl.ts";

export type Place = (table: TableName) => TableName;

export const inPlace: Place = (table) => table;

/** `homes`: the working schema of each schema. */
export const placeIn =
  (homes: ReadonlyMap<string, string>): Place =>
  (table) => {
    const { schema, name } = splitTable(table);
    return `${homes.get(schema) ?? schema}.${name}`;
  };

const identifier = String.raw`(?:"(?:[^"]|"")*"|[^\s".(]+)`;
const qualified = String.raw`${identifier}\.${identifier}`;
const indexHead = new RegExp(
  String.raw`^(CREATE (?:UNIQUE )?INDEX ${identifier} ON (?:ONLY )?)${qualified}(?= USING )`,
);
const referenceHead = new RegExp(
  String.raw`^(FOREIGN KEY \((?:"(?:[^"]|"")*"|[^")])*\) REFERENCES )${qualified}(?=\()`,
);

export const placeIndex = (definition: string, table: TableName, place: Place): string =>
  rename(indexHead, definition, table, place);

export const placeReference = (definition: string, referencedTable: TableName, place: Place): string =>
  rename(referenceHead, definition, referencedTable, place);

const rename = (head: RegExp, definition: string, table: TableName, place: Place): string =>
  place(table) === table
    ? definition
    : definition.replace(head, (_, before: string) => `${before}${quoteTable(place(table))}`);

/** Whether every table can be made elsewhere first and be the same in the end. `made`: all of them, with their partitions. */
export function mayBePlaced({ supportingSql }: SchemaDescription, made: readonly TableDescription[]): boolean {
  const namesNone = (sql: string): boolean => made.every(({ name }) => !mentionsTable(sql, name));
  return (
    supportingSql.length === 0 &&
    made.every(
      ({ inherits = [], columns, constraints, indexes, foreignKeys, partitionClause }) =>
        inherits.length === 0 &&
        namesNone(partitionClause ?? "") &&
        columns.every(({ type, defaultSql }) => namesNone(type) && namesNone(defaultSql ?? "")) &&
        constraints.every(({ definition }) => namesNone(definition)) &&
        indexes.every((definition) => indexHead.test(definition) && namesNone(definition.replace(indexHead, "$1"))) &&
        foreignKeys.every(({ definition }) => referenceHead.test(definition)),
    )
  );
}

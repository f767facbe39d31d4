// SQL files for a recovered folder: schema.sql makes the empty tables; load.sql makes and fills them with psql.
import { splitTable } from "../domain/sql-quoting.ts";
import type { DdlStep } from "../domain/ddl-step.ts";
import type { RecoveryDdl } from "../domain/recovery-ddl.ts";
import { quoteIdentifier, quoteTable } from "../domain/sql-quoting.ts";

export interface LoadedTable {
  readonly table: string;
  readonly columns: readonly string[];
  /** Relative to the folder. */
  readonly file: string;
}

/** The rows' text means the same under these, whatever the server's defaults say. */
const settings = [
  "SET client_encoding = 'UTF8';",
  "SET client_min_messages = warning;",
  "SET datestyle = 'ISO, MDY';",
  "SET intervalstyle = 'postgres';",
  "SET timezone = 'UTC';",
  "SET xmloption = 'content';",
  "SET lc_monetary = 'C';",
  "SET array_nulls = on;",
  "SET standard_conforming_strings = on;",
  "SET check_function_bodies = off;",
  "SET statement_timeout = 0;",
];

export function writeSchemaScript(plan: RecoveryDdl): string {
  const steps = [...plan.before, ...plan.after, ...plan.foreignKeys].filter(
    (step) => !step.subject.startsWith("value of "),
  );
  return lines(
    "-- The tables without their rows. In an empty database: psql DATABASE -f schema.sql",
    ...settings,
    ...createSchemas(plan),
    ...steps.map(write),
  );
}

export function writeLoadScript(plan: RecoveryDdl, tables: readonly LoadedTable[]): string {
  return lines(
    "-- Makes the tables and loads their rows. In an empty database, and from this folder: psql DATABASE -f load.sql",
    "\\set ON_ERROR_STOP on",
    "BEGIN;",
    ...settings,
    ...createSchemas(plan),
    ...plan.before.map(write),
    ...searchPath(plan),
    ...tables.flatMap(copyTable),
    ...plan.after.map(write),
    "COMMIT;",
    "-- Foreign keys, each on its own: one that some rows break is refused by name, and the others are made.",
    "\\set ON_ERROR_STOP off",
    ...plan.foreignKeys.map(write),
  );
}

const lines = (...all: readonly string[]): string => `${all.join("\n")}\n`;
const write = (step: DdlStep): string => `-- ${step.subject.replaceAll(/\s+/g, " ")}\n${step.sql};`;
const createSchemas = (plan: RecoveryDdl): string[] =>
  plan.schemas.map((name) => `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(name)};`);
const searchPath = (plan: RecoveryDdl): string[] =>
  plan.schemas.length === 0 ? [] : [`SET LOCAL search_path = ${plan.schemas.map(quoteIdentifier).join(", ")};`];

/** \copy is one line and knows no U& escapes; a table with a line break in a name is loaded under other names. */
function copyTable({ table, columns, file }: LoadedTable): string[] {
  const { schema, name } = splitTable(table);
  const path = `'${file.replaceAll("'", "''")}'`;
  const copy = (target: string, names: readonly string[]): string =>
    `\\copy ${target}${names.length === 0 ? "" : ` (${names.map(psqlName).join(", ")})`} FROM ${path}`;
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  const isAwkward = (text: string): boolean => /[\u0000-\u001f]/.test(text);
  if (![schema, name, ...columns].some(isAwkward)) return [copy(`${psqlName(schema)}.${psqlName(name)}`, columns)];
  const renamed = columns
    .map((column, index) => [column, isAwkward(column) ? `recovered_column_${index + 1}` : column] as const)
    .filter(([from, to]) => from !== to);
  const columnsThere = renamed.map(
    ([from, to]) =>
      `ALTER TABLE ${quoteTable(table)} RENAME COLUMN ${quoteIdentifier(from)} TO ${quoteIdentifier(to)};`,
  );
  const columnsBack = renamed.map(
    ([from, to]) =>
      `ALTER TABLE ${quoteTable(table)} RENAME COLUMN ${quoteIdentifier(to)} TO ${quoteIdentifier(from)};`,
  );
  const during = new Map(renamed);
  return [
    ...columnsThere,
    `CREATE SCHEMA recovered_schema;`,
    `ALTER TABLE ${quoteTable(table)} SET SCHEMA recovered_schema;`,
    `ALTER TABLE recovered_schema.${quoteIdentifier(name)} RENAME TO recovered_table;`,
    copy(
      "recovered_schema.recovered_table",
      columns.map((column) => during.get(column) ?? column),
    ),
    `ALTER TABLE recovered_schema.recovered_table RENAME TO ${quoteIdentifier(name)};`,
    `ALTER TABLE recovered_schema.${quoteIdentifier(name)} SET SCHEMA ${quoteIdentifier(schema)};`,
    `DROP SCHEMA recovered_schema;`,
    ...columnsBack,
  ];
}

const psqlName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

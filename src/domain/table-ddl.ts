// SQL that makes an organization's tables again, from the schema description that its backup carries. Pure.
import type { SchemaDescription, TableDescription, TableName } from "./schema.ts";
import { quoteIdentifier, quoteLiteral, quoteTable, splitTable } from "./sql-quoting.ts";

export interface RecoveryDdl {
  /** Before the rows: schemas, types, functions, sequences, tables without constraints. */
  readonly before: readonly string[];
  /** After the rows: keys, checks, indexes, then foreign keys, then sequences. */
  readonly after: readonly string[];
  /** What is not made, and why; for the report. */
  readonly leftOut: readonly string[];
}

/** `stored`: the tables whose rows the backup holds. Others are not made. */
export function planRecoveryDdl(schema: SchemaDescription, stored: ReadonlySet<TableName>): RecoveryDdl {
  const byName = new Map(schema.tables.map((table) => [table.name, table]));
  const tables = schema.tables.filter((table) => stored.has(rootOf(table, byName)));
  const ordered = partitionsLast(tables, byName);
  const leftOut: string[] = [];
  const foreignKeys = ordered.flatMap((table) =>
    table.foreignKeys.flatMap((key) => {
      if (stored.has(key.referencedTable)) return [`ALTER TABLE ${quoteTable(table.name)} ADD CONSTRAINT ${quoteIdentifier(key.name)} ${key.definition}`];
      leftOut.push(`foreign key ${key.name} of ${table.name}: ${key.referencedTable} is not part of the backup`);
      return [];
    }),
  );
  const schemas = new Set([...tables.map((table) => splitTable(table.name).schema), ...schema.enums.map((each) => splitTable(each.name).schema)]);
  return {
    before: [
      ...[...schemas].map((name) => `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(name)}`),
      ...schema.extensions.map(({ name, schema: home }) => `CREATE EXTENSION IF NOT EXISTS ${quoteIdentifier(name)} SCHEMA ${quoteIdentifier(home)}`),
      ...schema.enums.map(({ name, labels }) => `CREATE TYPE ${quoteTable(name)} AS ENUM (${labels.map(quoteLiteral).join(", ")})`),
      ...schema.domains.map((domain) => domain.definition),
      ...schema.supportingSql,
      ...freeSequences(schema, tables).map(({ name, type, increment }) => `CREATE SEQUENCE ${quoteTable(name)} AS ${type} INCREMENT BY ${increment}`),
      ...ordered.map(createTable),
    ],
    after: [...ordered.flatMap((table) => ownConstraints(table, byName)), ...ordered.flatMap((table) => table.indexes), ...foreignKeys, ...setSequences(schema, tables)],
    leftOut,
  };
}

function createTable(table: TableDescription): string {
  const name = quoteTable(table.name);
  if (table.partitionOf !== null) {
    return `CREATE TABLE ${name} PARTITION OF ${quoteTable(table.partitionOf)} ${table.partitionClause ?? "DEFAULT"}`;
  }
  const columns = table.columns.map((column) => {
    const parts = [quoteIdentifier(column.name), column.type];
    if (column.collation !== null) parts.push(`COLLATE ${column.collation}`);
    if (column.generated !== null) parts.push(`GENERATED ALWAYS AS (${column.defaultSql ?? "NULL"}) ${column.generated.toUpperCase()}`);
    else if (column.identity !== null) parts.push(`GENERATED ${column.identity.toUpperCase()} AS IDENTITY`);
    else if (column.defaultSql !== null) parts.push(`DEFAULT ${column.defaultSql}`);
    if (column.notNull) parts.push("NOT NULL");
    return `  ${parts.join(" ")}`;
  });
  const partitioned = table.kind === "partitioned" ? ` ${table.partitionClause ?? ""}` : "";
  return `CREATE TABLE ${name} (\n${columns.join(",\n")}\n)${partitioned}`;
}

const kindOrder = { p: 0, u: 1, x: 2, c: 3 } as const;

/** A partition has its parent's constraints already. */
function ownConstraints(table: TableDescription, byName: ReadonlyMap<TableName, TableDescription>): string[] {
  const inherited = new Set(table.partitionOf === null ? [] : byName.get(table.partitionOf)?.constraints.map((each) => each.name));
  return table.constraints
    .filter(({ name, kind }) => !inherited.has(name) && !(table.partitionOf !== null && kind === "c"))
    .toSorted((a, b) => kindOrder[a.kind] - kindOrder[b.kind])
    .map(({ name, definition }) => `ALTER TABLE ${quoteTable(table.name)} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition}`);
}

/** Identity columns bring their own; every other sequence that a made table uses must be there before it. */
function freeSequences(schema: SchemaDescription, tables: readonly TableDescription[]) {
  const identities = new Set(tables.flatMap((table) => table.columns.filter((column) => column.identity !== null).map((column) => `${table.name}.${column.name}`)));
  const made = new Set(tables.map((table) => table.name));
  return schema.sequences.filter(({ ownedBy }) => ownedBy === null || (made.has(ownerTable(ownedBy)) && !identities.has(ownedBy)));
}

function setSequences(schema: SchemaDescription, tables: readonly TableDescription[]): string[] {
  const free = new Set(freeSequences(schema, tables).map((sequence) => sequence.name));
  const made = new Set(tables.map((table) => table.name));
  return schema.sequences.flatMap(({ name, ownedBy, lastValue }) => {
    if (lastValue === null) return [];
    if (free.has(name)) {
      const set = `SELECT setval(${quoteLiteral(quoteTable(name))}, ${lastValue})`;
      return ownedBy === null ? [set] : [set, `ALTER SEQUENCE ${quoteTable(name)} OWNED BY ${quoteTable(ownerTable(ownedBy))}.${quoteIdentifier(ownerColumn(ownedBy))}`];
    }
    if (ownedBy === null || !made.has(ownerTable(ownedBy))) return [];
    const sequence = `pg_get_serial_sequence(${quoteLiteral(quoteTable(ownerTable(ownedBy)))}, ${quoteLiteral(ownerColumn(ownedBy))})`;
    return [`SELECT setval(${sequence}, ${lastValue})`];
  });
}

const ownerTable = (owner: string): TableName => owner.slice(0, owner.lastIndexOf("."));
const ownerColumn = (owner: string): string => owner.slice(owner.lastIndexOf(".") + 1);

function rootOf(table: TableDescription, byName: ReadonlyMap<TableName, TableDescription>): TableName {
  for (let at: TableDescription | undefined = table; at !== undefined; at = byName.get(at.partitionOf ?? "")) {
    if (at.partitionOf === null) return at.name;
  }
  return table.name;
}

function partitionsLast(tables: readonly TableDescription[], byName: ReadonlyMap<TableName, TableDescription>): TableDescription[] {
  const depth = (table: TableDescription): number => (table.partitionOf === null ? 0 : 1 + depth(byName.get(table.partitionOf) ?? { ...table, partitionOf: null }));
  return tables.toSorted((a, b) => depth(a) - depth(b));
}

// Identifiers and literals for SQL that can't take parameters (COPY, DDL). Everything is quoted, always.
import { BackupError } from "./errors.ts";
import type { TableName } from "./schema.ts";

/** A "$" is written as an escape, so that no name can look like the placeholder $1. */
export function quoteIdentifier(name: string): string {
  if (name.includes("\0")) throw new BackupError("UsageInvalid", "A name can't hold a NUL character.");
  const quoted = `"${name.replaceAll('"', '""')}"`;
  return name.includes("$") ? `U&${quoted.replaceAll("\\", "\\\\").replaceAll("$", "\\0024")}` : quoted;
}

/** "schema.table" → quoted. The schema's name ends at the first dot. */
export function quoteTable(table: TableName): string {
  const { schema, name } = splitTable(table);
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

export function splitTable(table: TableName): { schema: string; name: string } {
  const dot = table.indexOf(".");
  if (dot <= 0) throw new BackupError("CatalogueInvalid", `"${table}" must be written as schema.table.`);
  return { schema: table.slice(0, dot), name: table.slice(dot + 1) };
}

/** As an escape string, so that it means the same whatever standard_conforming_strings says; "$" as above. */
export function quoteLiteral(value: string): string {
  if (value.includes("\0")) throw new BackupError("OrganizationInvalid", "A value can't hold a NUL character.");
  return `E'${value.replaceAll("\\", "\\\\").replaceAll("'", "''").replaceAll("$", "\\x24")}'`;
}

/** A type as format_type() prints it, in SQL that has placeholders. */
export function quoteType(type: string): string {
  return type.replaceAll(/"(?:[^"]|"")*"/g, (quoted) => quoteIdentifier(quoted.slice(1, -1).replaceAll('""', '"')));
}

/** rowsSql and the like with their one placeholder filled in. */
export function fillOrganization(sql: string, organizationId: string): string {
  const literal = quoteLiteral(organizationId);
  return sql.replaceAll(/\$1(?!\d)/g, () => literal);
}

/** changedRowsSql with its second placeholder filled in, for COPY; a transaction id is digits. */
export const fillTransaction = (sql: string, transactionId: bigint): string =>
  sql.replaceAll(/\$2(?!\d)/g, () => `'${transactionId}'`);

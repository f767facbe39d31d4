// Columns whose content lies elsewhere in the database, where COPY does not reach it.
import type { Catalogue } from "./catalogue.ts";
import { BackupError } from "./errors.ts";
import type { SchemaDescription, TableDescription, TableName } from "./schema.ts";

/** `domains`: the app's own names for such numbers. */
export function holdsLargeObject(type: string, domains: ReadonlySet<string> = new Set()): boolean {
  const plain = type.replaceAll("[]", "").replaceAll('"', "");
  return plain === "oid" || plain === "lo" || plain.endsWith(".lo") || domains.has(plain);
}

/**
 * A large object's number without the object would look like a backup of it.
 * @throws TypeUnsupported, which names every such column.
 */
export function refuseUncarried(
  schema: SchemaDescription,
  stored: readonly TableDescription[],
  catalogue: Catalogue,
): void {
  const numbers = new Set(
    schema.domains.filter(({ definition }) => /^CREATE DOMAIN \S.* AS oid\b/.test(definition)).map(({ name }) => name),
  );
  const isOmitted = (table: TableName, name: string): boolean =>
    catalogue.omittedColumns.some((entry) => entry.table === table && entry.column === name);
  const columns = stored.flatMap((table) =>
    table.columns
      .filter(({ name, type }) => holdsLargeObject(type, numbers) && !isOmitted(table.name, name))
      .map(({ name }) => `${table.name}.${name}`),
  );
  if (columns.length === 0) return;
  throw new BackupError(
    "TypeUnsupported",
    `These columns hold numbers of large objects, whose content a backup does not carry:\n- ${columns.join("\n- ")}\nKeep the content in bytea columns or files, or list the columns under omittedColumns.`,
    { columns },
  );
}

// What a schema does not tell about a table, as questions for the person who reads a suggested catalogue.
import { isNotNull } from "./column-facts.ts";
import type { Membership } from "./membership.ts";
import type { TableDescription } from "./schema.ts";

/** Of a table that has rows of organizations. */
export function askAboutMember(table: TableDescription, membership: Membership, root: TableDescription): string[] {
  return [...membershipHints(table, membership, root), ...mediaHints(table), ...linkHints(table, membership)];
}

/** Of a table that no key leads from to the root. */
export function askAboutOther(table: TableDescription): string {
  const typed = table.columns.find(
    (column) =>
      column.name.endsWith("_type") && table.columns.some((id) => id.name === column.name.replace(/_type$/, "_id")),
  );
  return typed === undefined
    ? `${table.name}: no foreign key leads to the root; a reference (shared), an exclusion, or an organization column?`
    : `${table.name}: looks polymorphic by ${typed.name}; declare its targets under polymorphic and put it into a data set`;
}

/** What the keys tell, but not for sure. */
function membershipHints(table: TableDescription, membership: Membership, root: TableDescription): string[] {
  const toRoot = table.foreignKeys.filter((key) => key.referencedTable === root.name && table.name !== root.name);
  const hints: string[] = [];
  if (toRoot.length > 1)
    hints.push(`${table.name}: several keys lead to ${root.name}; its rows are taken ${membership.reason}`);
  if (membership.role !== "root" && !isCertain(table, membership))
    hints.push(
      `${table.name}: belongs ${membership.reason}; these may be NULL, and a row in which all are NULL is in no backup`,
    );
  return hints;
}

function isCertain(table: TableDescription, { organizationColumn, parents }: Membership): boolean {
  if (organizationColumn !== null) return isNotNull(table, organizationColumn);
  return table.foreignKeys.some(
    (key) => parents.includes(key.referencedTable) && key.columns.every((name) => isNotNull(table, name)),
  );
}

function mediaHints(table: TableDescription): string[] {
  return table.columns
    .filter(
      (column) =>
        /(^|_)(path|file|filename|object_key|storage_key)$/.test(column.name) &&
        /^(text|character varying)/.test(column.type),
    )
    .map(
      (column) =>
        `${table.name}.${column.name}: does it name files? Then list it under media, and say by mediaFolder where an organization's lie`,
    );
}

/** Keys that no foreign key explains are found by a copy only when they are left over. */
function linkHints(table: TableDescription, membership: Membership): string[] {
  const explained = new Set([...table.primaryKey, ...table.foreignKeys.flatMap((key) => key.columns)]);
  return table.columns
    .filter(
      ({ name, type }) => /^uuid(\[\])?$/.test(type) && !explained.has(name) && name !== membership.organizationColumn,
    )
    .map(({ name }) => `${table.name}.${name}: does it hold keys of rows? Then list it under links`);
}

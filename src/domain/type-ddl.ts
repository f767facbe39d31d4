// The statements that make enums, domains, composite types and functions again, in an order in which each finds what it
// names. The schema description carries whole statements; what one needs is read from the names in its text.
import type { MadeObject } from "./made-object.ts";
import type { SchemaDescription, TableName } from "./schema.ts";
import { quoteLiteral, quoteTable, splitTable } from "./sql-quoting.ts";

export interface TypeStatement {
  /** For reports: "enum public.rsvp_status". */
  readonly subject: string;
  readonly schema: string;
  readonly sql: string;
  /** null where it is not known what it is. */
  readonly makes: MadeObject | null;
}

interface Definition extends TypeStatement {
  readonly spellings: readonly string[];
}

export function planTypes(schema: SchemaDescription): TypeStatement[] {
  const definitions: Definition[] = [
    ...schema.enums.map(({ name, labels }) =>
      define(`enum ${name}`, name, `CREATE TYPE ${quoteTable(name)} AS ENUM (${labels.map(quoteLiteral).join(", ")})`, {
        kind: "type",
        ...splitTable(name),
      }),
    ),
    ...schema.domains.map(({ name, definition }) =>
      define(`domain ${name}`, name, definition, { kind: "type", ...splitTable(name) }),
    ),
    ...schema.supportingSql.map((sql) => {
      const { kind, name } = nameOf(sql);
      return define(`${kind} ${name}`, name, sql, null);
    }),
  ];
  return neededFirst(definitions).map(({ subject, schema: home, sql, makes }) => ({
    subject,
    schema: home,
    sql,
    makes,
  }));
}

const define = (subject: string, name: string, sql: string, makes: MadeObject | null): Definition => ({
  subject,
  schema: splitTable(name).schema,
  sql,
  makes,
  spellings: spellQualified(name),
});

function spellQualified(name: string): string[] {
  const { schema, name: own } = splitTable(name);
  return spell(schema).flatMap((first) => spell(own).map((second) => `${first}.${second}`));
}

/** Whether SQL that Postgres printed names a table, with its schema. */
export const mentionsTable = (sql: string, table: TableName): boolean => mentions(sql, spellQualified(table));

/** Postgres quotes a name only where it must; which words these are differs by version, so both ways count. */
const spell = (name: string): string[] => {
  const quoted = `"${name.replaceAll('"', '""')}"`;
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? [name, quoted] : [quoted];
};

const statement =
  /^CREATE (?:OR REPLACE )?(TYPE|FUNCTION|PROCEDURE) ("(?:[^"]|"")*"|[^\s".(]+)\.("(?:[^"]|"")*"|[^\s".(]+)/;

function nameOf(sql: string): { kind: string; name: string } {
  const [, kind = "", schema, own] = statement.exec(sql) ?? [];
  if (schema === undefined || own === undefined) return { kind: "object", name: `public.${sql.slice(0, 60)}` };
  const plain = (text: string): string => (text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text);
  return { kind: kind === "TYPE" ? "type" : "function", name: `${plain(schema)}.${plain(own)}` };
}

function neededFirst(definitions: readonly Definition[]): Definition[] {
  const ordered = new Set<Definition>();
  const visiting = new Set<Definition>();
  const visit = (definition: Definition): void => {
    // A circle (functions that call each other) is cut anywhere: bodies are not checked while they are made.
    if (ordered.has(definition) || visiting.has(definition)) return;
    visiting.add(definition);
    for (const other of definitions)
      if (other !== definition && mentions(definition.sql, other.spellings)) visit(other);
    ordered.add(definition);
  };
  definitions.forEach(visit);
  return [...ordered];
}

function mentions(sql: string, spellings: readonly string[]): boolean {
  return spellings.some((spelling) => {
    for (let at = sql.indexOf(spelling); at !== -1; at = sql.indexOf(spelling, at + 1)) {
      if (!/[\w$"]/.test(sql[at + spelling.length] ?? "") && !/[\w$"]/.test(sql[at - 1] ?? "")) return true;
    }
    return false;
  });
}

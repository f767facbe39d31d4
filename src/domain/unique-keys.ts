// Unique constraints and indexes from a schema's description, as far as their text tells. For suggestions; what is written
// to a live database goes by its own catalog.
import type { UniqueIndex } from "./restore/unique-sql.ts";
import type { TableDescription } from "./schema.ts";

export function uniqueKeysOf(table: TableDescription): readonly UniqueIndex[] {
  const constraints = table.constraints.filter(({ kind }) => kind === "u");
  const indexes = table.indexes.filter((definition) => definition.startsWith("CREATE UNIQUE INDEX "));
  return [
    ...constraints.map(({ name, definition }) => describe(table, name, definition)),
    ...indexes.map((definition) => {
      const [, name = ""] = /^CREATE UNIQUE INDEX ("(?:[^"]|"")*"|\S+)/.exec(definition) ?? [];
      return describe(table, name, definition.slice(definition.indexOf(" USING ")));
    }),
  ];
}

function describe(table: TableDescription, name: string, definition: string): UniqueIndex {
  const expressions = splitList(definition);
  const columns = table.columns
    .map((column) => column.name)
    .filter((column) => mentions(expressions.join(" "), column));
  return {
    name,
    expressions,
    operators: null,
    columns,
    condition: null,
    nullsEqual: definition.includes("NULLS NOT DISTINCT"),
    deferrable: definition.includes("DEFERRABLE"),
  };
}

/** What stands in the first parentheses, at its commas. */
function splitList(definition: string): string[] {
  const parts: string[] = [];
  let part = "";
  let depth = 0;
  for (const [token] of definition.slice(definition.indexOf("(")).matchAll(/"(?:[^"]|"")*"|'(?:[^']|'')*'|[\s\S]/g)) {
    if (token === ")" && --depth === 0) break;
    if (token === "," && depth === 1) {
      parts.push(part.trim());
      part = "";
    } else if (depth > 0) part += token;
    if (token === "(") depth += 1;
  }
  return [...parts, part.trim()].map((each) => each.replace(/( (ASC|DESC|NULLS (FIRST|LAST)))+$/, ""));
}

function mentions(expressions: string, column: string): boolean {
  const tokens = expressions.match(/"(?:[^"]|"")*"|[\w$]+/g) ?? [];
  return tokens.some((token) => token === column || token === `"${column.replaceAll('"', '""')}"`);
}

// The references between a backup's tables, and what each means for a row when the one that it refers to is a record that
// comes back.
//
// A dependant can't be without its record: a reference that is NOT NULL or ON DELETE CASCADE, or a polymorphic one. The
// organization itself is nobody's dependant: it would bring everything.
//
// A row whose reference was set to NULL or its default when its record was deleted (ON DELETE SET NULL, SET DEFAULT) stayed
// as it is: it is cut loose, and only that reference is set again.
import type { Catalogue } from "../catalogue.ts";
import { isNotNull } from "../column-facts.ts";
import { escapeCopyText } from "../copy-text.ts";
import type { SchemaDescription, TableDescription, TableName } from "../schema.ts";
import { cutsLoose, setsDefault } from "./loose-sql.ts";

export interface ClosureEdge {
  readonly child: TableName;
  readonly columns: readonly string[];
  readonly parent: TableName;
  readonly referencedColumns: readonly string[];
  readonly isDependant: boolean;
  readonly cutsLoose: boolean;
  /** A polymorphic reference counts only where the type column holds this value, as COPY text. */
  readonly type: { readonly column: string; readonly value: string } | null;
}

/** Edges that lead to the same columns have the same. */
export const nameTarget = ({ parent, referencedColumns }: ClosureEdge): string =>
  `${parent} (${referencedColumns.join("\t")})`;

/** Among `stored` tables, the ones whose rows the backup holds. */
export function findClosureEdges(
  schema: SchemaDescription,
  stored: readonly TableName[],
  catalogue: Catalogue,
): ClosureEdge[] {
  const tables = new Map(schema.tables.map((table) => [table.name, table]));
  const targets = new Set(stored);
  return stored
    .map((name) => tables.get(name) as TableDescription)
    .flatMap((table) => [...readForeignKeys(table, catalogue), ...readPolymorphic(table, tables, catalogue)])
    .filter(
      ({ parent, columns, referencedColumns }) => targets.has(parent) && columns.length === referencedColumns.length,
    );
}

function readForeignKeys(table: TableDescription, catalogue: Catalogue): ClosureEdge[] {
  return table.foreignKeys.map(({ columns, referencedTable, referencedColumns, definition }) => {
    // What got its default instead of the record went on without it, NOT NULL or not.
    const isBound =
      (columns.every((name) => isNotNull(table, name)) && !setsDefault(definition)) ||
      /ON DELETE CASCADE/.test(definition);
    return {
      child: table.name,
      columns,
      parent: referencedTable,
      referencedColumns,
      isDependant: isBound && table.name !== catalogue.root.table,
      cutsLoose: !isBound && cutsLoose(definition),
      type: null,
    };
  });
}

function readPolymorphic(
  table: TableDescription,
  tables: ReadonlyMap<TableName, TableDescription>,
  catalogue: Catalogue,
): ClosureEdge[] {
  return catalogue.polymorphic
    .filter((entry) => entry.table === table.name)
    .flatMap(({ typeColumn, idColumn, targets }) =>
      Object.entries(targets).map(([value, parent]) => ({
        child: table.name,
        columns: [idColumn],
        parent,
        referencedColumns: tables.get(parent)?.primaryKey ?? [],
        isDependant: true,
        cutsLoose: false,
        type: { column: typeColumn, value: escapeCopyText(value) },
      })),
    );
}

// Parents before children, where a parent is also a table that tells whose rows the child's are: a polymorphic table has no
// foreign key that says so, and its rows must go while their subjects still show that they are the organization's.
import type { SchemaDescription } from "../schema.ts";
import { parentsFirst } from "../tenant-closure.ts";
import type { RestoreTable } from "./restore-table.ts";

export function orderTables(tables: readonly RestoreTable[], live: SchemaDescription): RestoreTable[] {
  const byKeys = parentsFirst(live.tables);
  const byName = new Map(tables.map((table) => [table.table, table]));
  const ordered = new Set<RestoreTable>();
  const visiting = new Set<RestoreTable>();
  const visit = (table: RestoreTable): void => {
    if (ordered.has(table) || visiting.has(table)) return;
    visiting.add(table);
    const certain = table.live.foreignKeys
      .filter((key) => key.columns.every((name) => table.live.columns.find((each) => each.name === name)?.notNull))
      .map((key) => key.referencedTable);
    for (const name of [...table.dependsOn, ...certain]) {
      const parent = byName.get(name);
      if (parent !== undefined) visit(parent);
    }
    ordered.add(table);
  };
  for (const table of tables.toSorted((a, b) => (byKeys.get(a.table) ?? 0) - (byKeys.get(b.table) ?? 0))) visit(table);
  return [...ordered];
}

// How a suggested catalogue groups tables into data sets.
import type { Catalogue } from "./catalogue.ts";
import type { TableDescription, TableName } from "./schema.ts";
import { splitTable } from "./sql-quoting.ts";

/** One data set for each table that hangs on the root itself, with what hangs on it. */
export function groupByParent(members: readonly TableDescription[], root: TableDescription): Catalogue["dataSets"] {
  const byName = new Map(members.map((table) => [table.name, table]));
  const leaderOf = new Map<TableName, TableName>([[root.name, root.name]]);
  const lead = (table: TableDescription, seen: ReadonlySet<TableName>): TableName => {
    const known = leaderOf.get(table.name);
    if (known !== undefined) return known;
    const parents = table.foreignKeys
      .map((key) => key.referencedTable)
      .filter((name) => byName.has(name) && name !== root.name && name !== table.name && !seen.has(name));
    const isDirect = table.foreignKeys.some((key) => key.referencedTable === root.name);
    const parent = isDirect ? undefined : parents.map((name) => byName.get(name) as TableDescription)[0];
    const leader = parent === undefined ? table.name : lead(parent, new Set([...seen, table.name]));
    leaderOf.set(table.name, leader);
    return leader;
  };
  const groups = new Map<TableName, TableName[]>();
  for (const table of members) {
    const leader = lead(table, new Set([table.name]));
    groups.set(leader, [...(groups.get(leader) ?? []), table.name]);
  }
  const used = new Set<string>();
  return [...groups].map(([leader, tables]) => {
    const base = splitTable(leader)
      .name.toLowerCase()
      .replaceAll(/[^a-z0-9_-]+/g, "_");
    let name = base;
    for (let number = 2; used.has(name); number++) name = `${base}_${number}`;
    used.add(name);
    return { name, title: splitTable(leader).name, priority: leader === root.name ? 1 : 2, tables };
  });
}

// What becomes of each column's values when an organization is restored as another one, given the keys that are new.
import type { Link } from "../catalogue.ts";
import type { TableDescription, TableName } from "../schema.ts";
import { problemOf, type CloneProblem } from "./clone-problem.ts";
import type { ColumnClasses } from "./column-classes.ts";
import { placeOf } from "./column-place.ts";
import type { CopiedTables } from "./copied-tables.ts";
import type { KeySpace, KeySpaces } from "./key-spaces.ts";

export interface CloneLink {
  readonly link: Link;
  /** "any": every key that tells. */
  readonly space: KeySpace | "any";
}

export type ColumnChange =
  | { readonly by: "key"; readonly space: KeySpace }
  | {
      readonly by: "type";
      readonly typeColumn: string;
      readonly spaces: readonly { readonly type: string; readonly space: KeySpace }[];
    }
  | { readonly by: "links"; readonly links: readonly CloneLink[] }
  | { readonly by: "path" }
  | { readonly by: "null" }
  | { readonly by: "refusal" };

/** A table's columns that change. */
export type TableChanges = ReadonlyMap<string, ColumnChange>;

export function planColumnChanges(copied: CopiedTables, keys: KeySpaces): ReadonlyMap<TableName, TableChanges> {
  return new Map(copied.all.map((table) => [table.name, planTable(copied, keys, table)]));
}

function planTable(copied: CopiedTables, keys: KeySpaces, table: TableDescription): TableChanges {
  const changes = new Map<string, ColumnChange>();
  for (const { name, generated } of table.columns) {
    const change = generated === null ? planColumn(copied, keys, table.name, name) : null;
    if (change !== null) changes.set(name, change);
  }
  return changes;
}

function planColumn(copied: CopiedTables, keys: KeySpaces, table: TableName, column: string): ColumnChange | null {
  const place = placeOf(table, column);
  const rule = copied.rules.get(place);
  if (rule === "null") return { by: "null" };
  if (rule === "refuse") return { by: "refusal" };
  const space = keys.of(place);
  if (space !== undefined) return { by: "key", space };
  const polymorphic = copied.polymorphic.get(place);
  if (polymorphic !== undefined) {
    const spaces = Object.entries(polymorphic.targets).flatMap(([type, target]) => {
      const found = keys.ofTable(target);
      return found === undefined ? [] : [{ type, space: found }];
    });
    return { by: "type", typeColumn: polymorphic.typeColumn, spaces };
  }
  if (copied.media.has(place)) return { by: "path" };
  const links = (copied.catalogue.links ?? []).flatMap((link): CloneLink[] => {
    if (placeOf(link.table, link.column) !== place) return [];
    const found = link.target === undefined ? "any" : keys.ofTable(link.target);
    return found === undefined ? [] : [{ link, space: found }]; // keys that stay need no change
  });
  return links.length === 0 ? null : { by: "links", links };
}

/** What can't be left out, though the catalogue says so. */
export function refuseNulls(copied: CopiedTables, classes: ColumnClasses): CloneProblem[] {
  return copied.all.flatMap(({ name: table, columns }) =>
    columns
      .map((column) => ({ ...column, place: placeOf(table, column.name) }))
      .filter(({ generated, place }) => generated === null && copied.rules.get(place) === "null")
      .filter(({ place }) => classes.members(place).some((each) => each !== place))
      .map(({ name }) => problemOf(table, [name], "other columns refer to it, and it can't be left out of a copy")),
  );
}

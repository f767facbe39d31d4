// Which columns hold the same keys, because foreign keys, or the catalogue's organization columns, say so.
import type { TableDescription, TableName } from "../schema.ts";
import { problemOf, type CloneProblem } from "./clone-problem.ts";
import { ColumnClasses } from "./column-classes.ts";
import { placeOf } from "./column-place.ts";
import type { CopiedTables } from "./copied-tables.ts";

export interface ClassifiedColumns {
  readonly classes: ColumnClasses;
  readonly problems: readonly CloneProblem[];
}

export function classifyColumns(copied: CopiedTables): ClassifiedColumns {
  const { root, organizationColumns } = copied.catalogue;
  const classes = new ColumnClasses();
  const problems = copied.all.flatMap((table) => connect(copied, classes, table));
  for (const [table, column] of Object.entries(organizationColumns))
    if (copied.byName.has(table)) classes.join(placeOf(table, column), placeOf(root.table, root.key));
  return { classes, problems };
}

function connect(copied: CopiedTables, classes: ColumnClasses, table: TableDescription): CloneProblem[] {
  const { byName, rules, catalogue } = copied;
  const problems: CloneProblem[] = [];
  for (const key of table.foreignKeys) {
    const parent = wholeTableOf(copied, key.referencedTable);
    const own = key.columns.map((column) => placeOf(table.name, column));
    // A reference that is left out, or refused wherever there is one, connects nothing.
    if (own.some((place) => rules.get(place) === "null" || rules.get(place) === "refuse")) continue;
    if (byName.has(parent)) {
      for (const [at, place] of own.entries())
        classes.join(place, placeOf(parent, key.referencedColumns[at] as string), "refers");
      continue;
    }
    const isExcluded = catalogue.exclusions.some((each) => each.table === parent);
    if (isExcluded && !own.some((place) => rules.has(place))) {
      const why = `refers to ${parent}, which is excluded and not copied; say under externalIds what becomes of it`;
      problems.push(problemOf(table.name, key.columns, why));
    }
    for (const place of own) classes.fix(place); // shared by all organizations
  }
  return problems;
}

/** A key may refer to a partition; its rows are read through the table that it is part of. */
function wholeTableOf(copied: CopiedTables, name: TableName): TableName {
  const partitionOf = copied.schema.tables.find((each) => each.name === name)?.partitionOf ?? null;
  return partitionOf === null || copied.byName.has(name) ? name : wholeTableOf(copied, partitionOf);
}

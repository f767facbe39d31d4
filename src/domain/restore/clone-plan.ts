// What becomes of each value when an organization is restored as another one. Pure: from the live schema and the catalogue.
//
// Columns that foreign keys connect hold the same keys, and are mapped together. So much is mapped that every primary key
// and every unique index holds a value that no live row can have; the rest stays. What can't be mapped is a problem, and
// is told by name before anything is made.
import type { Catalogue } from "../catalogue.ts";
import type { SchemaDescription, TableName } from "../schema.ts";
import { classifyColumns } from "./classify-columns.ts";
import type { CloneProblem } from "./clone-problem.ts";
import { planColumnChanges, refuseNulls, type TableChanges } from "./column-changes.ts";
import type { Place } from "./column-place.ts";
import { CopiedTables } from "./copied-tables.ts";
import { KeySpaces, type KeySpace, type UniqueIndexes } from "./key-spaces.ts";

export interface ClonePlan {
  readonly spaces: readonly KeySpace[];
  readonly changes: ReadonlyMap<TableName, TableChanges>;
  /** Columns in which old keys may stay, for the catalogue says so. */
  readonly kept: ReadonlySet<Place>;
  readonly problems: readonly CloneProblem[];
  /** For the catalogue: columns that must be unique, and nothing says what becomes of them. */
  readonly undeclared: KeySpaces["undeclared"];
}

export interface ClonePlanInput {
  readonly catalogue: Catalogue;
  readonly schema: SchemaDescription;
  /** Tables that hold an organization's rows. */
  readonly members: ReadonlySet<TableName>;
  readonly uniqueIndexes: UniqueIndexes;
}

export function planClone({ catalogue, schema, members, uniqueIndexes }: ClonePlanInput): ClonePlan {
  const copied = new CopiedTables(catalogue, schema, members);
  const { classes, problems } = classifyColumns(copied);
  const keys = new KeySpaces(copied, classes, uniqueIndexes);
  return {
    spaces: keys.all,
    changes: planColumnChanges(copied, keys),
    kept: new Set([...copied.rules].flatMap(([place, rule]) => (rule === "keep-if-free" ? [place] : []))),
    problems: [...problems, ...keys.problems, ...refuseNulls(copied, classes)],
    undeclared: keys.undeclared,
  };
}

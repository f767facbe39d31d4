// What an applied restore leaves for its rollback, which has neither backup nor catalogue.
import { aliasMark } from "../../../domain/membership-sql.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { leavingWith } from "../../../domain/restore/rows-in-transit.ts";
import type { TableName } from "../../../domain/schema.ts";
import type { RestoreContext } from "./restore-context.ts";
import type { WritePart } from "./write-part.ts";

export interface RememberedPlan {
  readonly schemas: readonly string[];
  readonly tables: readonly RememberedTable[];
}

export interface RememberedTable {
  readonly table: TableName;
  readonly predicate: string;
  readonly dependsOn: readonly TableName[];
  readonly columns: string;
}

export function rememberPlan({ input, plan, staging }: RestoreContext, parts: readonly WritePart[]): RememberedPlan {
  const predicates = plan.withTransit(leavingWith(parts, staging));
  return {
    schemas: input.catalogue.schemas,
    tables: parts.map(({ table, insertsAll }) => ({
      table: table.table,
      predicate: (predicates.get(table.table) ?? table.predicate)(aliasMark),
      dependsOn: table.dependsOn,
      columns: (insertsAll ? inThousands : "") + describeColumns(table.live),
    })),
  };
}

/**
 * Of a table whose rows the undo log keeps a thousand to an entry. A version that does not know of these would find nothing
 * to undo; so it is told other columns than there are, and refuses by name.
 */
const inThousands = "in thousands: ";

export const hasColumns = ({ columns }: RememberedTable, table: RestoreTable["live"]): boolean =>
  columns.replace(inThousands, "") === describeColumns(table);

export const recallPredicate =
  ({ predicate }: RememberedTable) =>
  (alias: string): string =>
    predicate.replaceAll(aliasMark, alias);

/** Equal = a row's text of then can be read as a row of now. */
const describeColumns = ({ primaryKey, columns }: RestoreTable["live"]): string =>
  JSON.stringify([primaryKey, columns.map(({ name, type, generated, identity }) => [name, type, generated, identity])]);

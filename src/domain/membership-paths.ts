// Paths from a table's rows to rows that are known to be an organization's: by a foreign key, or by a column that says which
// table an id column points into.
import type { Catalogue } from "./catalogue.ts";
import type { Membership } from "./membership.ts";
import { anyOf, byKey, byType, withRowsBelow, type Predicate, type SelfEdge, type Transit } from "./membership-sql.ts";
import type { ForeignKey, TableDescription, TableName } from "./schema.ts";

export type MembershipPath = Pick<Membership, "reason" | "predicate" | "parents">;

export class MembershipPaths {
  private readonly tables: ReadonlyMap<TableName, TableDescription>;
  private readonly catalogue: Catalogue;
  private readonly transit: Transit;
  private readonly found: ReadonlyMap<TableName, Membership>;

  /** `found` grows. */
  constructor(
    tables: ReadonlyMap<TableName, TableDescription>,
    catalogue: Catalogue,
    transit: Transit,
    found: ReadonlyMap<TableName, Membership>,
  ) {
    this.tables = tables;
    this.catalogue = catalogue;
    this.transit = transit;
    this.found = found;
  }

  /** To a table that is found. */
  byKey(key: ForeignKey): MembershipPath {
    const parent = this.tables.get(key.referencedTable) as TableDescription;
    return {
      reason: `by ${key.columns.join(", ")} through ${key.referencedTable}`,
      predicate: byKey(key, parent, this.isMember(parent.name)),
      parents: [key.referencedTable],
    };
  }

  /** Null where nothing is declared; "open" while a target is not found yet. */
  byType(table: TableDescription): MembershipPath | "open" | null {
    const declared = this.catalogue.polymorphic.find((entry) => entry.table === table.name);
    if (declared === undefined) return null;
    const { typeColumn, idColumn, targets } = declared;
    const others = Object.entries(targets).filter(([, target]) => target !== table.name);
    if (!others.every(([, target]) => this.found.has(target))) return "open";
    const branches = others.map(([type, target]) =>
      byType(
        table,
        declared,
        type,
        this.tables.get(target) as TableDescription,
        this.isMember(target),
        this.transit(target),
      ),
    );
    const own = Object.entries(targets).find(([, target]) => target === table.name)?.[0];
    const edges: SelfEdge[] =
      own === undefined
        ? []
        : [{ columns: [idColumn], target: table.primaryKey, type: { column: typeColumn, is: own } }];
    return {
      reason: `by ${typeColumn} and ${idColumn}`,
      predicate: withRowsBelow(table, anyOf(branches), edges),
      parents: [...new Set(others.map(([, target]) => target))],
    };
  }

  /** Whether some path of the table, through tables that are not found yet, ends at one that is. `from`: where it began. */
  leadsToFound(name: TableName, from: TableName, seen = new Set([from])): boolean {
    if (this.found.has(name)) return true;
    if (seen.has(name)) return false;
    seen.add(name);
    const declared = this.catalogue.polymorphic.find((entry) => entry.table === name);
    const next = [
      ...(this.tables.get(name)?.foreignKeys.map((key) => key.referencedTable) ?? []),
      ...Object.values(declared?.targets ?? {}),
    ];
    return next.some((parent) => this.leadsToFound(parent, from, seen));
  }

  /** Asked when the SQL is written: what is found of a table may be widened until then. */
  private isMember(table: TableName): Predicate {
    return (alias, open) => (this.found.get(table) as Membership).predicate(alias, open);
  }
}

/** How the table's rows hang on each other. */
export const selfEdgesOf = (table: TableDescription): SelfEdge[] =>
  table.foreignKeys
    .filter((key) => key.referencedTable === table.name)
    .map((key) => ({ columns: key.columns, target: key.referencedColumns, type: null }));

// Which role each table has, by the catalogue and the foreign keys. A role is given only where no row of an organization
// can slip through it: a path by keys that may be NULL counts only together with every other path, and a circle of such
// paths without an organization column gets no role, so that the run fails and names it.
import type { Catalogue, TableRole } from "./catalogue.ts";
import {
  anyOf,
  byColumn,
  byKey,
  byType,
  fallingBack,
  withRowsBelow,
  type Predicate,
  type SelfEdge,
  type Transit,
} from "./membership-sql.ts";
import type { ForeignKey, SchemaDescription, TableDescription, TableName } from "./schema.ts";
import { splitTable } from "./sql-quoting.ts";

export interface Membership {
  readonly role: TableRole;
  readonly reason: string;
  /** SQL that is true for the organization's rows of the table. */
  readonly predicate: Predicate;
  /** Other tables that the predicate reads itself. */
  readonly parents: readonly TableName[];
  /** The column that holds the organization's id in every row; else null. */
  readonly organizationColumn: string | null;
}

/**
 * Roles of all tables that the catalogue and the foreign keys explain. Rows that a type column ties to one that is in
 * transit count as the organization's, unless the table has another row of that key.
 */
export function findMemberships(
  tables: readonly TableDescription[],
  catalogue: Catalogue,
  transit: Transit = () => null,
): ReadonlyMap<TableName, Membership> {
  return new MembershipSearch(tables, catalogue, transit).run();
}

/** Every table through which rows of `table` are reached; when one of them changed, membership may have, too. */
export function dependenciesOf(
  table: TableName,
  memberships: ReadonlyMap<TableName, Membership>,
  seen = new Set<TableName>(),
): TableName[] {
  for (const parent of memberships.get(table)?.parents ?? []) {
    if (seen.has(parent)) continue;
    seen.add(parent);
    dependenciesOf(parent, memberships, seen);
  }
  return [...seen];
}

class MembershipSearch {
  private readonly tables: readonly TableDescription[];
  private readonly byName: ReadonlyMap<TableName, TableDescription>;
  private readonly catalogue: Catalogue;
  private readonly transit: Transit;
  private readonly keyType: string;
  private readonly found = new Map<TableName, Membership>();

  constructor(tables: readonly TableDescription[], catalogue: Catalogue, transit: Transit) {
    const setAside = new Set([...catalogue.references, ...catalogue.exclusions].map((entry) => entry.table));
    this.tables = tables.filter((table) => !setAside.has(table.name));
    this.byName = new Map(this.tables.map((table) => [table.name, table]));
    this.catalogue = catalogue;
    this.transit = transit;
    this.keyType = typeOf(this.byName.get(catalogue.root.table), catalogue.root.key) ?? "text";
  }

  run(): ReadonlyMap<TableName, Membership> {
    const { root } = this.catalogue;
    this.found.set(root.table, {
      role: "root",
      reason: "the organizations",
      predicate: byColumn(root.key, this.keyType, this.keyType, null),
      parents: [],
      organizationColumn: root.key,
    });
    const halfCertain = this.findDirect();
    // Shortest certain path first: a round uses only what earlier rounds found. Uncertain paths come when no certain is left.
    for (let grown = true; grown;) {
      const open = this.tables.filter((table) => !this.found.has(table.name));
      let round = open.flatMap((table) => this.certain(table));
      if (round.length === 0) round = open.flatMap((table) => this.uncertain(table)).slice(0, 1);
      for (const [name, membership] of round) this.found.set(name, membership);
      grown = round.length > 0;
    }
    for (const { table, columns } of halfCertain) this.addFallbacks(table, columns);
    return this.found;
  }

  /** @returns those whose organization column may be NULL. */
  private findDirect(): { table: TableDescription; columns: readonly OrganizationColumn[] }[] {
    const halfCertain = [];
    for (let grown = true; grown;) {
      grown = false;
      for (const table of this.tables) {
        if (this.found.has(table.name)) continue;
        const columns = this.organizationColumns(table);
        const [first] = columns;
        if (first === undefined) continue;
        const certain = isNotNull(table, first.column);
        this.found.set(table.name, {
          role: "direct",
          reason: `by ${first.column}`,
          predicate: this.columnPredicate(table, first),
          parents: [],
          organizationColumn: certain ? first.column : null,
        });
        if (!certain) halfCertain.push({ table, columns });
        grown = true;
      }
    }
    return halfCertain;
  }

  /**
   * The declared one; else those with a key to the root, or to the organization column of a table that has one. Certain
   * ones first.
   */
  private organizationColumns(table: TableDescription): OrganizationColumn[] {
    const declared = this.catalogue.organizationColumns[table.name];
    if (declared !== undefined) return [{ column: declared, key: null }];
    const columns = table.foreignKeys.flatMap((key): OrganizationColumn[] => {
      const theirs = this.found.get(key.referencedTable)?.organizationColumn ?? null;
      const at = theirs === null || key.referencedTable === table.name ? -1 : key.referencedColumns.indexOf(theirs);
      const column = key.columns[at];
      return column === undefined ? [] : [{ column, key }];
    });
    const distinct = columns.filter(({ column }, at) => columns.findIndex((each) => each.column === column) === at);
    const isCertain = ({ column }: OrganizationColumn): boolean => isNotNull(table, column);
    return [...distinct.filter(isCertain), ...distinct.filter((each) => !isCertain(each))];
  }

  private columnPredicate(table: TableDescription, { column, key }: OrganizationColumn): Predicate {
    const operator = key?.operators?.[key.columns.indexOf(column)] ?? null;
    return byColumn(column, typeOf(table, column) ?? this.keyType, this.keyType, operator);
  }

  private certain(table: TableDescription): [TableName, Membership][] {
    const declared = this.polymorphic(table);
    if (declared !== null) return declared === "open" ? [] : [[table.name, declared]];
    const path = table.foreignKeys.find(
      (key) =>
        key.referencedTable !== table.name &&
        this.found.has(key.referencedTable) &&
        key.columns.every((name) => isNotNull(table, name)),
    );
    return path === undefined ? [] : [[table.name, { ...this.path(path), role: "indirect", organizationColumn: null }]];
  }

  private polymorphic(table: TableDescription): Membership | "open" | null {
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
        this.byName.get(target) as TableDescription,
        (alias, open) => this.of(target).predicate(alias, open),
        this.transit(target),
      ),
    );
    const own = Object.entries(targets).find(([, target]) => target === table.name)?.[0];
    const edges: SelfEdge[] =
      own === undefined
        ? []
        : [{ columns: [idColumn], target: table.primaryKey, type: { column: typeColumn, is: own } }];
    return {
      role: "polymorphic",
      reason: `by ${typeColumn} and ${idColumn}`,
      predicate: withRowsBelow(table, anyOf(branches), edges),
      parents: unique(others.map(([, target]) => target)),
      organizationColumn: null,
    };
  }

  private uncertain(table: TableDescription): [TableName, Membership][] {
    if (this.catalogue.polymorphic.some((entry) => entry.table === table.name)) return [];
    const keys = table.foreignKeys.filter((key) => key.referencedTable !== table.name);
    // A parent that will have a role, but has none yet, would be a path that is missed.
    if (keys.some((key) => !this.found.has(key.referencedTable) && this.leadsToFound(key.referencedTable, table.name)))
      return [];
    const paths = keys.filter((key) => this.found.has(key.referencedTable)).map((key) => this.path(key));
    if (paths.length === 0) return [];
    const edges = selfEdges(table);
    const reason = paths.map((path) => path.reason).join(", or ");
    return [
      [
        table.name,
        {
          role: edges.length === 0 ? "indirect" : "self",
          reason: edges.length === 0 ? reason : `${reason}, and rows below those`,
          predicate: withRowsBelow(table, anyOf(paths.map((path) => path.predicate)), edges),
          parents: unique(paths.flatMap((path) => path.parents)),
          organizationColumn: null,
        },
      ],
    ];
  }

  private leadsToFound(name: TableName, from: TableName, seen = new Set([from])): boolean {
    if (this.found.has(name)) return true;
    if (seen.has(name)) return false;
    seen.add(name);
    const declared = this.catalogue.polymorphic.find((entry) => entry.table === name);
    const next = [
      ...(this.byName.get(name)?.foreignKeys.map((key) => key.referencedTable) ?? []),
      ...Object.values(declared?.targets ?? {}),
    ];
    return next.some((parent) => this.leadsToFound(parent, from, seen));
  }

  /** Where the organization's column is NULL, the row's other references tell. */
  private addFallbacks(table: TableDescription, columns: readonly OrganizationColumn[]): void {
    const direct = this.of(table.name);
    const [first, ...more] = columns as [OrganizationColumn, ...OrganizationColumn[]];
    const declared = this.polymorphic(table);
    const paths = [
      ...more.map((each) => ({
        predicate: this.columnPredicate(table, each),
        parents: [],
        reason: `by ${each.column}`,
      })),
      ...table.foreignKeys
        .filter((key) => key.referencedTable !== table.name && this.found.has(key.referencedTable))
        .filter((key) => !key.columns.some((column) => columns.some((each) => each.column === column)))
        .map((key) => this.path(key)),
      ...(declared === null || declared === "open" ? [] : [declared]),
    ];
    const edges = selfEdges(table).filter((edge) => !edge.columns.includes(first.column));
    if (paths.length + edges.length === 0) return;
    this.found.set(table.name, {
      ...direct,
      reason: `${direct.reason}, or where that is NULL ${[...paths.map((path) => path.reason), ...edges.map((edge) => `by ${edge.columns.join(", ")}`)].join(", or ")}`,
      predicate: fallingBack(table, first.column, direct.predicate, anyOf(paths.map((path) => path.predicate)), edges),
      parents: unique(paths.flatMap((path) => path.parents)),
    });
  }

  private path(key: ForeignKey): Pick<Membership, "reason" | "predicate" | "parents"> {
    const parent = this.byName.get(key.referencedTable) as TableDescription;
    return {
      reason: `by ${key.columns.join(", ")} through ${key.referencedTable}`,
      predicate: byKey(key, parent, (alias, open) => this.of(parent.name).predicate(alias, open)),
      parents: [key.referencedTable],
    };
  }

  private of(table: TableName): Membership {
    return this.found.get(table) as Membership;
  }
}

interface OrganizationColumn {
  readonly column: string;
  readonly key: ForeignKey | null;
}

const selfEdges = (table: TableDescription): SelfEdge[] =>
  table.foreignKeys
    .filter((key) => key.referencedTable === table.name)
    .map((key) => ({ columns: key.columns, target: key.referencedColumns, type: null }));

/** The app's tables; partitions are read through their parent. */
export function ownTables(schema: SchemaDescription, schemas: readonly string[]): readonly TableDescription[] {
  const known = new Set(schema.tables.map((table) => table.name));
  return schema.tables.filter(
    ({ name, partitionOf }) =>
      (partitionOf === null || !known.has(partitionOf)) && schemas.includes(splitTable(name).schema),
  );
}

export const typeOf = (table: TableDescription | undefined, name: string): string | undefined =>
  table?.columns.find((column) => column.name === name)?.type;
export const isNotNull = (table: TableDescription, name: string): boolean =>
  table.columns.find((column) => column.name === name)?.notNull === true;
const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

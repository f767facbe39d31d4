// Which role each table has, by the catalogue and the foreign keys. A role is given only where no row of an organization
// can slip through it: a path by keys that may be NULL counts only together with every other path, and a circle of such
// paths without an organization column gets no role, so that the run fails and names it.
import type { Catalogue } from "./catalogue.ts";
import { isNotNull, typeOf } from "./column-facts.ts";
import type { Membership } from "./membership.ts";
import { MembershipPaths, selfEdgesOf, type MembershipPath } from "./membership-paths.ts";
import { anyOf, byColumn, fallingBack, withRowsBelow, type Transit } from "./membership-sql.ts";
import { holdsOrganization, organizationColumnsOf, type OrganizationColumn } from "./organization-columns.ts";
import type { ForeignKey, TableDescription, TableName } from "./schema.ts";

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

/** A table with an organization column that may be NULL. */
interface HalfCertain {
  readonly table: TableDescription;
  readonly columns: readonly OrganizationColumn[];
}

class MembershipSearch {
  private readonly tables: readonly TableDescription[];
  private readonly catalogue: Catalogue;
  private readonly keyType: string;
  private readonly paths: MembershipPaths;
  private readonly found = new Map<TableName, Membership>();

  constructor(tables: readonly TableDescription[], catalogue: Catalogue, transit: Transit) {
    const setAside = new Set([...catalogue.references, ...catalogue.exclusions].map((entry) => entry.table));
    this.tables = tables.filter((table) => !setAside.has(table.name));
    const byName = new Map(this.tables.map((table) => [table.name, table]));
    this.catalogue = catalogue;
    this.keyType = typeOf(byName.get(catalogue.root.table), catalogue.root.key) ?? "text";
    this.paths = new MembershipPaths(byName, catalogue, transit, this.found);
  }

  run(): ReadonlyMap<TableName, Membership> {
    const { root } = this.catalogue;
    this.found.set(root.table, {
      role: "root",
      reason: "the organizations",
      predicate: byColumn(root.key, this.keyType, this.keyType, null),
      parents: [],
      hangsOn: null,
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
    for (const each of halfCertain) this.addFallbacks(each);
    return this.found;
  }

  private findDirect(): HalfCertain[] {
    const halfCertain: HalfCertain[] = [];
    for (let grown = true; grown;) {
      grown = false;
      for (const table of this.tables) {
        if (this.found.has(table.name)) continue;
        const columns = organizationColumnsOf(table, this.catalogue, this.found);
        const [first] = columns;
        if (first === undefined) continue;
        const certain = isNotNull(table, first.column);
        this.found.set(table.name, {
          role: "direct",
          reason: `by ${first.column}`,
          predicate: holdsOrganization(table, first, this.keyType),
          parents: [],
          hangsOn: null,
          organizationColumn: certain ? first.column : null,
        });
        if (!certain) halfCertain.push({ table, columns });
        grown = true;
      }
    }
    return halfCertain;
  }

  private certain(table: TableDescription): [TableName, Membership][] {
    const declared = this.paths.byType(table);
    if (declared === "open") return [];
    if (declared !== null)
      return [[table.name, { ...declared, role: "polymorphic", hangsOn: null, organizationColumn: null }]];
    const key = this.keysToFound(table).find(({ columns }) => columns.every((name) => isNotNull(table, name)));
    return key === undefined
      ? []
      : [[table.name, { ...this.paths.byKey(key), role: "indirect", hangsOn: key, organizationColumn: null }]];
  }

  private uncertain(table: TableDescription): [TableName, Membership][] {
    if (this.catalogue.polymorphic.some((entry) => entry.table === table.name)) return [];
    const parents = table.foreignKeys.map((key) => key.referencedTable).filter((parent) => parent !== table.name);
    // A parent that will have a role, but has none yet, would be a path that is missed.
    if (parents.some((parent) => !this.found.has(parent) && this.paths.leadsToFound(parent, table.name))) return [];
    const keys = this.keysToFound(table);
    const paths = keys.map((key) => this.paths.byKey(key));
    if (paths.length === 0) return [];
    const edges = selfEdgesOf(table);
    const reason = paths.map((path) => path.reason).join(", or ");
    const membership: Membership = {
      role: edges.length === 0 ? "indirect" : "self",
      reason: edges.length === 0 ? reason : `${reason}, and rows below those`,
      predicate: withRowsBelow(table, anyOf(paths.map((path) => path.predicate)), edges),
      parents: parentsOf(paths),
      hangsOn: keys.length === 1 && edges.length === 0 ? (keys[0] as ForeignKey) : null,
      organizationColumn: null,
    };
    return [[table.name, membership]];
  }

  /** Where the organization's column is NULL, the row's other references tell. */
  private addFallbacks({ table, columns }: HalfCertain): void {
    const direct = this.found.get(table.name) as Membership;
    const [first, ...more] = columns as [OrganizationColumn, ...OrganizationColumn[]];
    const declared = this.paths.byType(table);
    const paths: MembershipPath[] = [
      ...more.map((each) => ({
        reason: `by ${each.column}`,
        predicate: holdsOrganization(table, each, this.keyType),
        parents: [],
      })),
      ...this.keysToFound(table)
        .filter((key) => !key.columns.some((column) => columns.some((each) => each.column === column)))
        .map((key) => this.paths.byKey(key)),
      ...(declared === null || declared === "open" ? [] : [declared]),
    ];
    const edges = selfEdgesOf(table).filter((edge) => !edge.columns.includes(first.column));
    if (paths.length + edges.length === 0) return;
    const reasons = [...paths.map((path) => path.reason), ...edges.map((edge) => `by ${edge.columns.join(", ")}`)];
    this.found.set(table.name, {
      ...direct,
      reason: `${direct.reason}, or where that is NULL ${reasons.join(", or ")}`,
      predicate: fallingBack(table, first.column, direct.predicate, anyOf(paths.map((path) => path.predicate)), edges),
      parents: parentsOf(paths),
    });
  }

  /** Foreign keys to other tables that have a role. */
  private keysToFound(table: TableDescription): TableDescription["foreignKeys"] {
    return table.foreignKeys.filter((key) => key.referencedTable !== table.name && this.found.has(key.referencedTable));
  }
}

const parentsOf = (paths: readonly MembershipPath[]): TableName[] => [
  ...new Set(paths.flatMap((path) => path.parents)),
];

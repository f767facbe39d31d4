// What becomes of each value when an organization is restored as another one. Pure: from the live schema and the catalogue.
//
// Columns that foreign keys connect hold the same keys, and are mapped together. So much is mapped that every primary key
// and every unique index holds a value that no live row can have; the rest stays. What can't be mapped is a problem, and
// is told by name before anything is made.
import type { Catalogue, CloneRule, Link, PolymorphicTable } from "../catalogue.ts";
import { ownTables } from "../memberships.ts";
import type { SchemaDescription, TableDescription, TableName } from "../schema.ts";
import { ColumnClasses, describePlace, placeOf, type Place } from "./column-classes.ts";
import { plainTypeOf, sequenceOf, type PlainType } from "./plain-type.ts";
import { isPlainColumn, type UniqueIndex } from "./unique-sql.ts";

/** Columns that hold the same keys. */
export interface KeySpace {
  /** 0 is the organization's own id. */
  readonly number: number;
  /** "public.guests.id" */
  readonly name: string;
  readonly kind: "uuid" | "number" | "text";
  /** Where the keys come from; the other columns refer to these. */
  readonly origins: readonly Place[];
  /** For numbers: new ones are drawn from it. */
  readonly sequence: string | null;
  /** Told from other values wherever it stands, so that what was left over can be looked for. */
  readonly isTelling: boolean;
}

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

export interface ClonePlan {
  readonly spaces: readonly KeySpace[];
  readonly changes: ReadonlyMap<TableName, ReadonlyMap<string, ColumnChange>>;
  /** Columns in which old keys may stay, for the catalogue says so. */
  readonly kept: ReadonlySet<Place>;
  readonly problems: readonly { readonly table: TableName; readonly message: string }[];
  /** For the catalogue: columns that must be unique, and nothing says what becomes of them. */
  readonly undeclared: readonly { readonly table: TableName; readonly column: string }[];
}

export interface ClonePlanInput {
  readonly catalogue: Catalogue;
  readonly schema: SchemaDescription;
  /** Tables that hold an organization's rows. */
  readonly members: ReadonlySet<TableName>;
  readonly uniqueIndexes: ReadonlyMap<TableName, readonly UniqueIndex[]>;
}

export function planClone(input: ClonePlanInput): ClonePlan {
  return new ClonePlanner(input).plan();
}

class ClonePlanner {
  private readonly catalogue: Catalogue;
  private readonly schema: SchemaDescription;
  private readonly tables: readonly TableDescription[];
  private readonly byName: ReadonlyMap<TableName, TableDescription>;
  private readonly uniqueIndexes: ClonePlanInput["uniqueIndexes"];
  private readonly classes = new ColumnClasses();
  private readonly rules: ReadonlyMap<Place, CloneRule>;
  private readonly polymorphic: ReadonlyMap<Place, PolymorphicTable>;
  private readonly media: ReadonlySet<Place>;
  private readonly primary = new Set<Place>();
  private readonly spaces = new Map<Place, KeySpace>();
  private readonly problems: { table: TableName; message: string }[] = [];
  private readonly undeclared: { table: TableName; column: string }[] = [];

  constructor({ catalogue, schema, members, uniqueIndexes }: ClonePlanInput) {
    this.catalogue = catalogue;
    this.schema = schema;
    this.tables = ownTables(schema, catalogue.schemas).filter(({ name }) => members.has(name));
    this.byName = new Map(this.tables.map((table) => [table.name, table]));
    this.uniqueIndexes = uniqueIndexes;
    this.rules = new Map((catalogue.externalIds ?? []).map((each) => [placeOf(each.table, each.column), each.onClone]));
    this.polymorphic = new Map(catalogue.polymorphic.map((each) => [placeOf(each.table, each.idColumn), each]));
    this.media = new Set(catalogue.media.map((each) => placeOf(each.table, each.column)));
  }

  plan(): ClonePlan {
    const { root, organizationColumns } = this.catalogue;
    for (const table of this.tables) this.connect(table);
    for (const [table, column] of Object.entries(organizationColumns))
      if (this.byName.has(table)) this.classes.join(placeOf(table, column), placeOf(root.table, root.key));
    this.makeSpace(this.byName.get(root.table) as TableDescription, root.key, 0);
    for (const table of this.tables)
      for (const column of table.primaryKey) this.primary.add(placeOf(table.name, column));
    this.settleKeys();
    const changes = new Map(this.tables.map((table) => [table.name, this.changesOf(table)]));
    const kept = [...this.rules].flatMap(([place, rule]) => (rule === "keep-if-free" ? [place] : []));
    return {
      spaces: [...new Set(this.spaces.values())],
      changes,
      kept: new Set(kept),
      problems: this.problems,
      undeclared: this.undeclared,
    };
  }

  private refuse({ name: table }: TableDescription, columns: readonly string[], why: string): void {
    const places = columns.map((column) => `${table}.${column}`).join(", ");
    this.problems.push({ table, message: `${places}: ${why}` });
  }

  private connect(table: TableDescription): void {
    const excluded = new Set(this.catalogue.exclusions.map((each) => each.table));
    for (const key of table.foreignKeys) {
      const parent = this.rootOf(key.referencedTable);
      const own = key.columns.map((column) => placeOf(table.name, column));
      // A reference that is left out, or refused wherever there is one, connects nothing.
      if (own.some((place) => this.rules.get(place) === "null" || this.rules.get(place) === "refuse")) continue;
      if (this.byName.has(parent)) {
        for (const [at, place] of own.entries())
          this.classes.join(place, placeOf(parent, key.referencedColumns[at] as string), "refers");
        continue;
      }
      if (excluded.has(parent) && !own.some((place) => this.rules.has(place)))
        this.refuse(
          table,
          key.columns,
          `refers to ${parent}, which is excluded and not copied; say under externalIds what becomes of it`,
        );
      for (const place of own) this.classes.fix(place); // shared by all organizations
    }
  }

  /** A key may refer to a partition; its rows are read through the table that it is part of. */
  private rootOf(name: TableName): TableName {
    const table = this.schema.tables.find((each) => each.name === name);
    return table === undefined || table.partitionOf === null || this.byName.has(name)
      ? name
      : this.rootOf(table.partitionOf);
  }

  /** What leaves the least to choose comes first. */
  private settleKeys(): void {
    const primary = this.tables
      .filter(({ primaryKey }) => primaryKey.length > 0)
      .map((table) => ({ table, plain: table.primaryKey, columns: table.primaryKey, what: "its primary key" }));
    const unique = this.tables.flatMap((table) =>
      (this.uniqueIndexes.get(table.name) ?? []).map((index) => ({
        table,
        plain: index.columns.filter((column) => isPlainColumn(index, column)),
        columns: index.columns,
        what: `unique by ${index.name}`,
      })),
    );
    for (const keys of [primary, unique])
      for (const key of keys.toSorted((a, b) => a.columns.length - b.columns.length)) this.settle(key);
  }

  private settle(key: {
    readonly table: TableDescription;
    readonly plain: readonly string[];
    readonly columns: readonly string[];
    readonly what: string;
  }): void {
    const { table, plain, columns, what } = key;
    if (plain.some((column) => this.isFresh(table, column))) return;
    const declared = columns.find((column) => this.rules.has(placeOf(table.name, column)));
    if (declared !== undefined) {
      if (this.rules.get(placeOf(table.name, declared)) === "suffix") this.makeSpace(table, declared);
      return;
    }
    const free = plain.filter((column) => !this.classes.isFixed(placeOf(table.name, column)));
    const automatic =
      free.find((column) => this.typeOf(table, column) === "uuid") ??
      free.find((column) => this.sequenceOf(placeOf(table.name, column)) !== null);
    if (automatic !== undefined) return this.makeSpace(table, automatic);
    const first =
      free.find((column) => this.typeOf(table, column) === "text") ??
      free.find((column) => table.columns.find((each) => each.name === column)?.notNull === false) ??
      columns[0] ??
      "";
    this.undeclared.push({ table: table.name, column: first });
    this.refuse(
      table,
      columns,
      `${what} among all organizations, and no rule says what becomes of it in a copy; list a column under externalIds`,
    );
  }

  /** No live row can have the value that it gets. */
  private isFresh(table: TableDescription, column: string): boolean {
    const place = placeOf(table.name, column);
    if (this.spaces.has(this.classes.of(place))) return true;
    if (this.polymorphic.has(place)) return true; // its targets have new keys, each
    return this.media.has(place) && this.typeOf(table, column) === "text";
  }

  private makeSpace(table: TableDescription, column: string, number = this.spaces.size): void {
    const place = placeOf(table.name, column);
    const group = this.classes.of(place);
    const members = this.classes.members(place);
    const rule = members.map((each) => this.rules.get(each)).find((each) => each !== undefined) ?? null;
    const type = this.typeOf(table, column);
    const isOrganization = number === 0;
    // A kept key leads on to what is kept with it; where it is taken, the comparison says so.
    if (!isOrganization && rule === "keep-if-free") return;
    const referred = members.filter((each) => !this.classes.refers(each));
    const kind = isOrganization ? (type ?? "text") : rule === "suffix" ? "text" : (type ?? "text");
    if (!isOrganization && rule === "suffix" && type !== "text")
      this.refuse(table, [column], `only a text can have a suffix in a copy`);
    if (this.classes.isFixed(place))
      this.refuse(
        table,
        [column],
        `is a key of rows that organizations share, and of the organization's own; it can't be both`,
      );
    this.spaces.set(group, {
      number,
      name: describePlace(isOrganization ? place : ([...referred].toSorted()[0] ?? place)),
      kind,
      origins: isOrganization ? [place] : referred.length > 0 ? referred : members,
      sequence: kind === "number" && !isOrganization ? this.sequenceOf(place) : null,
      isTelling:
        kind === "uuid" || (kind === "text" && members.some((each) => isOrganization || this.primary.has(each))),
    });
  }

  private changesOf(table: TableDescription): ReadonlyMap<string, ColumnChange> {
    const changes = new Map<string, ColumnChange>();
    for (const { name, generated } of table.columns) {
      const change = generated === null ? this.changeOf(table, name) : null;
      if (change !== null) changes.set(name, change);
    }
    return changes;
  }

  private changeOf(table: TableDescription, column: string): ColumnChange | null {
    const place = placeOf(table.name, column);
    const rule = this.rules.get(place);
    const isReferredTo = this.classes.members(place).some((each) => each !== place);
    if (rule === "null" && isReferredTo)
      this.refuse(table, [column], `other columns refer to it, and it can't be left out of a copy`);
    if (rule === "null") return { by: "null" };
    if (rule === "refuse") return { by: "refusal" };
    const space = this.spaces.get(this.classes.of(place)) ?? this.suffixed(table, column, rule);
    if (space !== undefined) return { by: "key", space };
    const polymorphic = this.polymorphic.get(place);
    if (polymorphic !== undefined) {
      const spaces = Object.entries(polymorphic.targets).flatMap(([type, target]) => {
        const found = this.keySpaceOf(target);
        return found === undefined ? [] : [{ type, space: found }];
      });
      return { by: "type", typeColumn: polymorphic.typeColumn, spaces };
    }
    if (this.media.has(place)) return { by: "path" };
    const links = (this.catalogue.links ?? []).flatMap((link): CloneLink[] => {
      if (placeOf(link.table, link.column) !== place) return [];
      const found = link.target === undefined ? "any" : this.keySpaceOf(link.target);
      return found === undefined ? [] : [{ link, space: found }]; // keys that stay need no change
    });
    return links.length === 0 ? null : { by: "links", links };
  }

  /** A suffix may be wanted where no unique index asks for one. */
  private suffixed(table: TableDescription, column: string, rule: CloneRule | undefined): KeySpace | undefined {
    if (rule !== "suffix") return undefined;
    this.makeSpace(table, column);
    return this.spaces.get(this.classes.of(placeOf(table.name, column)));
  }

  private keySpaceOf(target: TableName): KeySpace | undefined {
    return this.spaces.get(this.classes.of(placeOf(target, this.byName.get(target)?.primaryKey[0] ?? "")));
  }

  private typeOf(table: TableDescription, column: string): PlainType {
    return plainTypeOf(this.schema, table.columns.find((each) => each.name === column)?.type ?? "");
  }

  /** Of whatever table's column the numbers come from. */
  private sequenceOf(place: Place): string | null {
    for (const table of this.tables)
      for (const column of table.columns) {
        const each = placeOf(table.name, column.name);
        if (this.classes.of(each) !== this.classes.of(place) || plainTypeOf(this.schema, column.type) !== "number")
          continue;
        const sequence = sequenceOf(this.schema, table, column);
        if (sequence !== null) return sequence;
      }
    return null;
  }
}

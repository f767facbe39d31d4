// Which columns get new keys when an organization is restored as another one: as few as make every primary key and every
// unique index hold a value that no live row can have.
import type { TableDescription, TableName } from "../schema.ts";
import { problemOf, type CloneProblem } from "./clone-problem.ts";
import type { ColumnClasses } from "./column-classes.ts";
import { describePlace, placeOf, type Place } from "./column-place.ts";
import type { CopiedTables } from "./copied-tables.ts";
import { plainTypeOf, sequenceOf } from "./plain-type.ts";
import { isPlainColumn, type UniqueIndex } from "./unique-sql.ts";

/** Columns that hold the same keys, and are mapped together. */
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

export type UniqueIndexes = ReadonlyMap<TableName, readonly UniqueIndex[]>;

/** What no two rows of a table may share. */
interface UniqueKey {
  readonly table: TableDescription;
  readonly columns: readonly string[];
  /** Those that it holds as they are, and not within an expression. */
  readonly plain: readonly string[];
  readonly what: string;
}

export class KeySpaces {
  readonly problems: CloneProblem[] = [];
  /** Columns that must be unique, and nothing says what becomes of them. */
  readonly undeclared: { readonly table: TableName; readonly column: string }[] = [];
  private readonly copied: CopiedTables;
  private readonly classes: ColumnClasses;
  private readonly primary: ReadonlySet<Place>;
  private readonly spaces = new Map<Place, KeySpace>();

  constructor(copied: CopiedTables, classes: ColumnClasses, uniqueIndexes: UniqueIndexes) {
    this.copied = copied;
    this.classes = classes;
    this.primary = new Set(copied.all.flatMap(({ name, primaryKey }) => primaryKey.map((each) => placeOf(name, each))));
    const { root } = copied.catalogue;
    this.add(copied.byName.get(root.table) as TableDescription, root.key, 0);
    for (const key of listKeys(copied, uniqueIndexes)) this.settle(key);
    this.addSuffixes();
  }

  get all(): readonly KeySpace[] {
    return [...new Set(this.spaces.values())];
  }

  of(place: Place): KeySpace | undefined {
    return this.spaces.get(this.classes.of(place));
  }

  /** Of the table's primary key. */
  ofTable(name: TableName): KeySpace | undefined {
    return this.of(placeOf(name, this.copied.byName.get(name)?.primaryKey[0] ?? ""));
  }

  private settle(key: UniqueKey): void {
    const { table, plain, columns, what } = key;
    const { rules } = this.copied;
    if (plain.some((column) => this.isFresh(table, column))) return;
    const declared = columns.find((column) => rules.has(placeOf(table.name, column)));
    if (declared !== undefined) {
      if (rules.get(placeOf(table.name, declared)) === "suffix") this.add(table, declared);
      return;
    }
    const free = plain.filter((column) => !this.classes.isFixed(placeOf(table.name, column)));
    const automatic =
      free.find((column) => this.copied.typeOf(table, column) === "uuid") ??
      free.find((column) => this.sequenceOf(placeOf(table.name, column)) !== null);
    if (automatic !== undefined) return this.add(table, automatic);
    const first =
      free.find((column) => this.copied.typeOf(table, column) === "text") ??
      free.find((column) => table.columns.find((each) => each.name === column)?.notNull === false) ??
      columns[0] ??
      "";
    this.undeclared.push({ table: table.name, column: first });
    const why = `${what} among all organizations, and no rule says what becomes of it in a copy; list a column under externalIds`;
    this.problems.push(problemOf(table.name, columns, why));
  }

  /** No live row can have the value that it gets. */
  private isFresh(table: TableDescription, column: string): boolean {
    const place = placeOf(table.name, column);
    if (this.of(place) !== undefined) return true;
    if (this.copied.polymorphic.has(place)) return true; // its targets have new keys, each
    return this.copied.media.has(place) && this.copied.typeOf(table, column) === "text";
  }

  /** A suffix may be wanted where no unique index asks for one. */
  private addSuffixes(): void {
    for (const table of this.copied.all)
      for (const { name, generated } of table.columns) {
        const place = placeOf(table.name, name);
        if (generated === null && this.copied.rules.get(place) === "suffix" && this.of(place) === undefined)
          this.add(table, name);
      }
  }

  private add(table: TableDescription, column: string, number = this.spaces.size): void {
    const place = placeOf(table.name, column);
    const members = this.classes.members(place);
    const rule = members.map((each) => this.copied.rules.get(each)).find((each) => each !== undefined) ?? null;
    const type = this.copied.typeOf(table, column);
    const isOrganization = number === 0;
    // A kept key leads on to what is kept with it; where it is taken, the comparison says so.
    if (!isOrganization && rule === "keep-if-free") return;
    const referred = members.filter((each) => !this.classes.refers(each));
    const kind = !isOrganization && rule === "suffix" ? "text" : (type ?? "text");
    const refuse = (why: string): void => void this.problems.push(problemOf(table.name, [column], why));
    if (!isOrganization && rule === "suffix" && type !== "text") refuse("only a text can have a suffix in a copy");
    if (this.classes.isFixed(place))
      refuse("is a key of rows that organizations share, and of the organization's own; it can't be both");
    this.spaces.set(this.classes.of(place), {
      number,
      name: describePlace(isOrganization ? place : ([...referred].toSorted()[0] ?? place)),
      kind,
      origins: isOrganization ? [place] : referred.length > 0 ? referred : members,
      sequence: kind === "number" && !isOrganization ? this.sequenceOf(place) : null,
      isTelling:
        kind === "uuid" || (kind === "text" && members.some((each) => isOrganization || this.primary.has(each))),
    });
  }

  /** Of whatever table's column the numbers come from. */
  private sequenceOf(place: Place): string | null {
    const { all, schema } = this.copied;
    for (const table of all)
      for (const column of table.columns) {
        const each = placeOf(table.name, column.name);
        if (this.classes.of(each) !== this.classes.of(place) || plainTypeOf(schema, column.type) !== "number") continue;
        const sequence = sequenceOf(schema, table, column);
        if (sequence !== null) return sequence;
      }
    return null;
  }
}

/** What leaves the least to choose comes first. */
function listKeys({ all }: CopiedTables, uniqueIndexes: UniqueIndexes): UniqueKey[] {
  const primary = all
    .filter(({ primaryKey }) => primaryKey.length > 0)
    .map((table) => ({ table, plain: table.primaryKey, columns: table.primaryKey, what: "its primary key" }));
  const unique = all.flatMap((table) =>
    (uniqueIndexes.get(table.name) ?? []).map((index) => ({
      table,
      plain: index.columns.filter((column) => isPlainColumn(index, column)),
      columns: index.columns,
      what: `unique by ${index.name}`,
    })),
  );
  return [primary, unique].flatMap((keys) => keys.toSorted((a, b) => a.columns.length - b.columns.length));
}

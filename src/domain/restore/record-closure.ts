// Which rows of a backup come back with single records: the records, their dependants, and the parents that they need.
//
// A dependant can't be without its record: a reference that is NOT NULL or ON DELETE CASCADE, or a polymorphic one. The
// organization itself is nobody's dependant: it would bring everything. A needed parent comes back only if it is missing.
//
// A row whose reference was set to NULL or its default when its record was deleted (ON DELETE SET NULL, SET DEFAULT) stayed
// as it is: it is cut loose, and only that reference is set again.
//
//   Guest Anna: her gifts and seat come with her (dependants); her wedding and her table only if they are gone (parents);
//   the ride that she drove has its driver again (cut loose).
//
// Only keys are held, never rows: the rows pass by, as often as a new key could match one. sought() tells beforehand which
// of them are worth a closer look.
import type { Catalogue } from "../catalogue.ts";
import type { SchemaDescription, TableDescription, TableName } from "../schema.ts";
import { cutsLoose, setsDefault } from "./loose-sql.ts";
import { baseTypeName } from "./type-difference.ts";

export interface ClosureSource {
  readonly table: TableName;
  readonly columns: readonly string[];
}

interface Edge {
  readonly child: TableName;
  readonly columns: readonly string[];
  readonly parent: TableName;
  readonly referencedColumns: readonly string[];
  readonly isDependant: boolean;
  readonly cutsLoose: boolean;
  /** A polymorphic reference counts only where the type column holds this value. */
  readonly type: { readonly column: string; readonly value: string } | null;
}

/** Fields of a row in the order of its table's columns, as COPY text; "\N" is NULL. */
type Fields = readonly string[];

export class RecordClosure {
  private readonly edges: readonly Edge[];
  private readonly tables: ReadonlyMap<TableName, TableDescription>;
  private readonly sources: ReadonlyMap<TableName, ClosureSource>;
  private readonly chosen = new Map<TableName, Set<string>>();
  private readonly needed = new Map<TableName, Set<string>>();
  /** Records that did not pass by yet: their number. */
  private readonly unseen = new Map<string, number>();
  /** By "table (columns)": values of chosen rows; those that parents are wanted by; those that were asked for. */
  private readonly held = new Map<string, Set<string>>();
  private readonly asked = new Map<string, Set<string>>();
  private readonly wanted = new Map<string, { readonly edge: Edge; readonly values: Set<string> }>();
  private readonly withLoose = new Set<TableName>();
  private readonly soughtIn = new Map<TableName, Sought>();
  private readonly knocks = new Map<TableName, number>();

  constructor(schema: SchemaDescription, sources: readonly ClosureSource[], catalogue: Catalogue) {
    this.sources = new Map(sources.map((source) => [source.table, source]));
    this.tables = new Map(schema.tables.map((table) => [table.name, table]));
    this.edges = sources.flatMap(({ table }) => this.findEdges(this.describe(table), catalogue));
  }

  /** `key` as COPY text, in primary key order. */
  choose(table: TableName, key: readonly string[], number: number): void {
    const source = this.source(table);
    const names = this.describe(table).primaryKey;
    const fields = source.columns.map((name) => key[names.indexOf(name)] ?? "");
    const value = this.tuple(table, names, fields) ?? "";
    this.chooseKey(table, value);
    this.knock(table);
    this.unseen.set(`${table}\t${value}`, number);
  }

  /** Once all dependants are taken: the number of a record that no row was. */
  get missingRecord(): number | null {
    return [...this.unseen.values()][0] ?? null;
  }

  /** Takes the records and their dependants among rows that pass by. @returns what the row is; null = of no interest. */
  takeDependants(table: TableName, fields: Fields): "chosen" | "loose" | null {
    const { primaryKey } = this.describe(table);
    const key = primaryKey.length === 0 ? null : this.tuple(table, primaryKey, fields);
    const isChosen = key !== null && this.chosen.get(table)?.has(key) === true;
    if (!isChosen && !this.dependsOnChosen(table, fields)) {
      if (this.looseColumns(table, fields) === null) return null;
      this.withLoose.add(table);
      return "loose";
    }
    if (key !== null) {
      this.chooseKey(table, key);
      this.unseen.delete(`${table}\t${key}`);
    }
    for (const edge of this.edges) {
      if (edge.parent !== table) continue;
      const value = this.tuple(table, edge.referencedColumns, fields);
      if (value !== null) this.hold(edge, value);
    }
    this.want(table, fields);
    return "chosen";
  }

  /** Whether rows of the table were cut loose. */
  hasLoose(table: TableName): boolean {
    return this.withLoose.has(table);
  }

  /** Columns by which a row that does not come back itself pointed at one that does; null = by none. */
  looseColumns(table: TableName, fields: Fields): readonly string[] | null {
    if (this.describe(table).primaryKey.length === 0) return null;
    if (this.fateOf(table, this.source(table).columns, fields) !== null) return null;
    const edges = this.edges.filter((edge) => edge.child === table && edge.cutsLoose && this.isHeld(edge, fields));
    return edges.length === 0 ? null : edges.flatMap(({ columns }) => columns);
  }

  /** Values of parents that are wanted and not asked for yet, by the edges that want them. */
  takeWanted(): { readonly edge: Edge; readonly values: readonly string[] }[] {
    return [...this.wanted.entries()].flatMap(([name, { edge, values }]) => {
      const fresh = [...values].filter(
        (value) => !this.held.get(name)?.has(value) && !this.asked.get(name)?.has(value),
      );
      values.clear();
      for (const value of fresh) add(this.asked, name, value);
      return fresh.length === 0 ? [] : [{ edge, values: fresh }];
    });
  }

  /** Takes a parent that is needed, because live there is none. @returns whether the row is one, and a new one. */
  takeParent(edge: Edge, missing: ReadonlySet<string>, fields: Fields): boolean {
    const value = this.tuple(edge.parent, edge.referencedColumns, fields);
    const key = this.tuple(edge.parent, this.describe(edge.parent).primaryKey, fields);
    if (value === null || key === null || !missing.has(value)) return false;
    this.want(edge.parent, fields);
    if (this.chosen.get(edge.parent)?.has(key) || this.needed.get(edge.parent)?.has(key)) return false;
    add(this.needed, edge.parent, key);
    this.seek(edge.parent, this.describe(edge.parent).primaryKey, key);
    return true;
  }

  /** What becomes of a row, by its table's columns in `columns` order (a later backup may have others). */
  fateOf(table: TableName, columns: readonly string[], fields: Fields): "chosen" | "needed" | null {
    const { primaryKey } = this.describe(table);
    if (primaryKey.length === 0) return this.dependsOnChosen(table, fields) ? "chosen" : null;
    const key = this.tuple(table, primaryKey, fields, columns);
    if (key === null) return null;
    if (this.chosen.get(table)?.has(key)) return "chosen";
    return this.needed.get(table)?.has(key) ? "needed" : null;
  }

  /** Whether no row of the table can come back. */
  isUntouched(table: TableName): boolean {
    if (this.describe(table).primaryKey.length > 0)
      return !this.chosen.has(table) && !this.needed.has(table) && !this.withLoose.has(table);
    return !this.edges.some((edge) => edge.child === table && edge.isDependant && this.held.has(nameOf(edge)));
  }

  /** Grows when a row of the table that has passed by could be taken now; 0 while none could. */
  knocksOf(table: TableName): number {
    return this.knocks.get(table) ?? 0;
  }

  /**
   * A row of the table is one only if one of these columns holds one of these texts, as in COPY text. It grows while rows
   * pass by. Null: texts do not tell (citext and numeric are equal in other spellings, too).
   */
  sought(table: TableName): Sought | null {
    const seeking = this.edges.filter(
      (edge) => edge.child === table && (edge.isDependant || edge.cutsLoose) && this.held.has(nameOf(edge)),
    );
    const types = [
      ...this.typesOf(table, this.describe(table).primaryKey.slice(0, 1)),
      ...seeking.flatMap((edge) => this.typesOf(edge.parent, edge.referencedColumns.slice(0, 1))),
    ];
    if (types.some(hasOtherSpellings)) return null;
    return this.soughtIn.get(table) ?? new Map();
  }

  /** The same for parents that are taken. */
  soughtParents({ parent, referencedColumns }: Edge, missing: ReadonlySet<string>): Sought | null {
    const [column = ""] = referencedColumns;
    if (this.typesOf(parent, [column]).some(hasOtherSpellings)) return null;
    return new Map([[column, new Set([...missing].map((value) => value.split("\t", 1)[0] ?? ""))]]);
  }

  private chooseKey(table: TableName, key: string): void {
    add(this.chosen, table, key);
    this.seek(table, this.describe(table).primaryKey, key);
  }

  private hold(edge: Edge, value: string): void {
    const name = nameOf(edge);
    if (this.held.get(name)?.has(value)) return;
    add(this.held, name, value);
    for (const each of this.edges) {
      if (!(each.isDependant || each.cutsLoose) || nameOf(each) !== name) continue;
      this.seek(each.child, each.columns, value);
      this.knock(each.child);
    }
  }

  private seek(table: TableName, [column = ""]: readonly string[], tuple: string): void {
    const sought = this.soughtIn.get(table) ?? new Map<string, Set<string>>();
    this.soughtIn.set(table, sought);
    add(sought, column, tuple.split("\t", 1)[0] ?? "");
  }

  private knock(table: TableName): void {
    this.knocks.set(table, this.knocksOf(table) + 1);
  }

  private dependsOnChosen(table: TableName, fields: Fields): boolean {
    return this.edges.some((edge) => edge.child === table && edge.isDependant && this.isHeld(edge, fields));
  }

  private isHeld(edge: Edge, fields: Fields): boolean {
    const value = this.reference(edge, fields);
    return value !== null && this.held.get(nameOf(edge))?.has(value) === true;
  }

  private want(table: TableName, fields: Fields): void {
    for (const edge of this.edges) {
      const value = edge.child === table ? this.reference(edge, fields) : null;
      if (value === null) continue;
      const name = nameOf(edge);
      const entry = this.wanted.get(name) ?? { edge, values: new Set() };
      entry.values.add(value);
      this.wanted.set(name, entry);
    }
  }

  private reference(edge: Edge, fields: Fields): string | null {
    const { child, columns, type, parent, referencedColumns } = edge;
    if (type !== null && fields[this.source(child).columns.indexOf(type.column)] !== type.value) return null;
    return this.tuple(child, columns, fields, this.source(child).columns, this.typesOf(parent, referencedColumns));
  }

  /** Null where a field is NULL or not stored. */
  private tuple(
    table: TableName,
    names: readonly string[],
    fields: Fields,
    columns = this.source(table).columns,
    types = this.typesOf(table, names),
  ): string | null {
    const values = names.map((name, index) => normalize(fields[columns.indexOf(name)] ?? "\\N", types[index] ?? ""));
    return values.includes("\\N") ? null : values.join("\t");
  }

  private typesOf(table: TableName, names: readonly string[]): readonly string[] {
    const { columns } = this.describe(table);
    return names.map((name) => columns.find((column) => column.name === name)?.type ?? "");
  }

  private findEdges(table: TableDescription, catalogue: Catalogue): Edge[] {
    const isNotNull = (name: string): boolean => table.columns.find((column) => column.name === name)?.notNull === true;
    const keys = table.foreignKeys.map(({ columns, referencedTable, referencedColumns, definition }): Edge => {
      // What got its default instead of the record went on without it, NOT NULL or not.
      const isBound = (columns.every(isNotNull) && !setsDefault(definition)) || /ON DELETE CASCADE/.test(definition);
      const isDependant = isBound && table.name !== catalogue.root.table;
      const isCutLoose = !isBound && cutsLoose(definition);
      return {
        child: table.name,
        columns,
        parent: referencedTable,
        referencedColumns,
        isDependant,
        cutsLoose: isCutLoose,
        type: null,
      };
    });
    const polymorphic = catalogue.polymorphic
      .filter((entry) => entry.table === table.name)
      .flatMap(({ typeColumn, idColumn, targets }) =>
        Object.entries(targets).map(([value, parent]): Edge => {
          const referencedColumns = this.tables.get(parent)?.primaryKey ?? [];
          const type = { column: typeColumn, value: escapeCopyText(value) };
          const fate = { isDependant: true, cutsLoose: false };
          return { child: table.name, columns: [idColumn], parent, referencedColumns, ...fate, type };
        }),
      );
    return [...keys, ...polymorphic].filter(
      ({ parent, columns, referencedColumns }) =>
        this.sources.has(parent) && columns.length === referencedColumns.length,
    );
  }

  private describe(table: TableName): TableDescription {
    return this.tables.get(table) as TableDescription;
  }

  private source(table: TableName): ClosureSource {
    return this.sources.get(table) as ClosureSource;
  }
}

export type ClosureEdge = Edge;
/** By column. */
export type Sought = Map<string, Set<string>>;

const nameOf = ({ parent, referencedColumns }: Edge): string => `${parent} (${referencedColumns.join("\t")})`;

function add(map: Map<string, Set<string>>, name: string, value: string): void {
  const set = map.get(name) ?? new Set();
  set.add(value);
  map.set(name, set);
}

const hasOtherSpellings = (type: string): boolean => /citext$|^numeric$/.test(baseTypeName(type));

/** Equal by = in the database is the same text here: citext has no case, numeric no trailing zeros. */
function normalize(text: string, type: string): string {
  if (text === "\\N") return text;
  const name = baseTypeName(type);
  if (name.endsWith("citext")) return text.toLowerCase();
  return name === "numeric" && text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

const escapes: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};
const unescapes = new Map(Object.entries(escapes).map(([plain, escaped]) => [escaped, plain]));

export const escapeCopyText = (text: string): string =>
  text.replaceAll(/[\\\b\f\n\r\t\v]/g, (each) => escapes[each] ?? each);

export const unescapeCopyText = (text: string): string =>
  text.replaceAll(/\\[\s\S]/g, (each) => unescapes.get(each) ?? each.slice(1));

// Which rows of a backup come back with single records: the records, their dependants, and the parents that they need.
//
// A dependant can't be without its record: a reference that is NOT NULL or ON DELETE CASCADE, or a polymorphic one. The
// organization itself is nobody's dependant: it would bring everything. A needed parent comes back only if it is missing.
//
//   Guest Anna: her gifts and seat come with her (dependants); her wedding and her table only if they are gone (parents).
//
// Only keys are held, never rows: the rows pass by, as often as a new key could match one.
import type { Catalogue } from "../catalogue.ts";
import type { SchemaDescription, TableDescription, TableName } from "../schema.ts";
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
    add(this.chosen, table, value);
    this.unseen.set(`${table}\t${value}`, number);
  }

  /** Once all dependants are taken: the number of a record that no row was. */
  get missingRecord(): number | null {
    return [...this.unseen.values()][0] ?? null;
  }

  /** Takes the records and their dependants among rows that pass by. @returns how many keys are new. */
  takeDependants(table: TableName, fields: Fields): number {
    const { primaryKey } = this.describe(table);
    const key = primaryKey.length === 0 ? null : this.tuple(table, primaryKey, fields);
    const isChosen = key !== null && this.chosen.get(table)?.has(key) === true;
    if (!isChosen && !this.dependsOnChosen(table, fields)) return 0;
    const before = this.size;
    if (key !== null) {
      add(this.chosen, table, key);
      this.unseen.delete(`${table}\t${key}`);
    }
    for (const edge of this.edges) {
      if (edge.parent !== table) continue;
      const value = this.tuple(table, edge.referencedColumns, fields);
      if (value !== null) add(this.held, nameOf(edge), value);
    }
    this.want(table, fields);
    return this.size - before;
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

  /** Takes a parent that is needed, because live there is none. */
  takeParent(edge: Edge, missing: ReadonlySet<string>, fields: Fields): void {
    const value = this.tuple(edge.parent, edge.referencedColumns, fields);
    const key = this.tuple(edge.parent, this.describe(edge.parent).primaryKey, fields);
    if (value === null || key === null || !missing.has(value)) return;
    if (!this.chosen.get(edge.parent)?.has(key)) add(this.needed, edge.parent, key);
    this.want(edge.parent, fields);
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
    if (this.describe(table).primaryKey.length > 0) return !this.chosen.has(table) && !this.needed.has(table);
    return !this.edges.some((edge) => edge.child === table && edge.isDependant && this.held.has(nameOf(edge)));
  }

  /** Whether a row of the table could be taken now. */
  mayTake(table: TableName): boolean {
    return (
      this.chosen.has(table) ||
      this.edges.some((edge) => edge.child === table && edge.isDependant && this.held.has(nameOf(edge)))
    );
  }

  private get size(): number {
    let size = 0;
    for (const set of [...this.chosen.values(), ...this.held.values()]) size += set.size;
    return size;
  }

  private dependsOnChosen(table: TableName, fields: Fields): boolean {
    return this.edges.some((edge) => {
      if (edge.child !== table || !edge.isDependant) return false;
      const value = this.reference(edge, fields);
      return value !== null && this.held.get(nameOf(edge))?.has(value) === true;
    });
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
      const isBound = columns.every(isNotNull) || /ON DELETE CASCADE/.test(definition);
      const isDependant = isBound && table.name !== catalogue.root.table;
      return { child: table.name, columns, parent: referencedTable, referencedColumns, isDependant, type: null };
    });
    const polymorphic = catalogue.polymorphic
      .filter((entry) => entry.table === table.name)
      .flatMap(({ typeColumn, idColumn, targets }) =>
        Object.entries(targets).map(([value, parent]): Edge => {
          const referencedColumns = this.tables.get(parent)?.primaryKey ?? [];
          const type = { column: typeColumn, value: escapeCopyText(value) };
          return { child: table.name, columns: [idColumn], parent, referencedColumns, isDependant: true, type };
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

const nameOf = ({ parent, referencedColumns }: Edge): string => `${parent} (${referencedColumns.join("\t")})`;

function add(map: Map<string, Set<string>>, name: string, value: string): void {
  const set = map.get(name) ?? new Set();
  set.add(value);
  map.set(name, set);
}

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

// Which rows of a backup come back with single records: the records, their dependants, and the parents that they need
// (closure-edges.ts says which reference makes which). A needed parent comes back only if it is missing.
//
//   Guest Anna: her gifts and seat come with her (dependants); her wedding and her table only if they are gone (parents);
//   the ride that she drove has its driver again (cut loose).
//
// Only keys are held, never rows: the rows pass by, as often as a new key could match one. sought() tells beforehand which
// of them are worth a closer look.
import type { Catalogue } from "../catalogue.ts";
import type { SchemaDescription, TableName } from "../schema.ts";
import { CanonicalKeys, type Fields, type StoredColumns } from "./canonical-keys.ts";
import { findClosureEdges, nameTarget, type ClosureEdge } from "./closure-edges.ts";
import { SoughtTexts, type Sought } from "./sought-texts.ts";

export class RecordClosure {
  private readonly edges: readonly ClosureEdge[];
  private readonly keys: CanonicalKeys;
  private readonly chosen = new Map<TableName, Set<string>>();
  private readonly needed = new Map<TableName, Set<string>>();
  /** Records that did not pass by yet: their number. */
  private readonly unseen = new Map<string, number>();
  /** By what edges lead to: values of chosen rows; those that parents are wanted by; those that were asked for. */
  private readonly held = new Map<string, Set<string>>();
  private readonly asked = new Map<string, Set<string>>();
  private readonly wanted = new Map<string, { readonly edge: ClosureEdge; readonly values: Set<string> }>();
  private readonly withLoose = new Set<TableName>();
  private readonly texts = new SoughtTexts();
  private readonly knocks = new Map<TableName, number>();

  constructor(schema: SchemaDescription, stored: readonly StoredColumns[], catalogue: Catalogue) {
    const tables = stored.map(({ table }) => table);
    this.edges = findClosureEdges(schema, tables, catalogue);
    this.keys = new CanonicalKeys(schema, stored);
  }

  /** `key` as COPY text, in primary key order. */
  choose(table: TableName, key: readonly string[], number: number): void {
    const names = this.keys.primaryKeyOf(table);
    const value = this.keys.read(table, names, key, names) ?? "";
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
    const primaryKey = this.keys.primaryKeyOf(table);
    const key = primaryKey.length === 0 ? null : this.keys.read(table, primaryKey, fields);
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
      const value = this.keys.read(table, edge.referencedColumns, fields);
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
    if (this.keys.primaryKeyOf(table).length === 0) return null;
    if (this.fateOf(table, this.keys.columnsOf(table), fields) !== null) return null;
    const edges = this.edges.filter((edge) => edge.child === table && edge.cutsLoose && this.isHeld(edge, fields));
    return edges.length === 0 ? null : edges.flatMap(({ columns }) => columns);
  }

  /** Values of parents that are wanted and not asked for yet, by the edges that want them. */
  takeWanted(): { readonly edge: ClosureEdge; readonly values: readonly string[] }[] {
    return [...this.wanted.entries()].flatMap(([target, { edge, values }]) => {
      const fresh = [...values].filter(
        (value) => !this.held.get(target)?.has(value) && !this.asked.get(target)?.has(value),
      );
      values.clear();
      for (const value of fresh) add(this.asked, target, value);
      return fresh.length === 0 ? [] : [{ edge, values: fresh }];
    });
  }

  /** Takes a parent that is needed, because live there is none. @returns whether the row is one, and a new one. */
  takeParent({ parent, referencedColumns }: ClosureEdge, missing: ReadonlySet<string>, fields: Fields): boolean {
    const primaryKey = this.keys.primaryKeyOf(parent);
    const value = this.keys.read(parent, referencedColumns, fields);
    const key = this.keys.read(parent, primaryKey, fields);
    if (value === null || key === null || !missing.has(value)) return false;
    this.want(parent, fields);
    if (this.chosen.get(parent)?.has(key) || this.needed.get(parent)?.has(key)) return false;
    add(this.needed, parent, key);
    this.texts.add(parent, primaryKey, key);
    return true;
  }

  /** What becomes of a row, by its table's columns in `columns` order (a later backup may have others). */
  fateOf(table: TableName, columns: readonly string[], fields: Fields): "chosen" | "needed" | null {
    const primaryKey = this.keys.primaryKeyOf(table);
    if (primaryKey.length === 0) return this.dependsOnChosen(table, fields) ? "chosen" : null;
    const key = this.keys.read(table, primaryKey, fields, columns);
    if (key === null) return null;
    if (this.chosen.get(table)?.has(key)) return "chosen";
    return this.needed.get(table)?.has(key) ? "needed" : null;
  }

  /** Whether no row of the table can come back. */
  isUntouched(table: TableName): boolean {
    if (this.keys.primaryKeyOf(table).length > 0)
      return !this.chosen.has(table) && !this.needed.has(table) && !this.withLoose.has(table);
    return !this.edges.some((edge) => edge.child === table && edge.isDependant && this.held.has(nameTarget(edge)));
  }

  /** Grows when a row of the table that has passed by could be taken now; 0 while none could. */
  knocksOf(table: TableName): number {
    return this.knocks.get(table) ?? 0;
  }

  /**
   * A row of the table is one only if one of these columns holds one of these texts. Grows while rows pass by. Null: texts do
   * not tell, for equal values may be written differently.
   */
  sought(table: TableName): Sought | null {
    const seeking = this.edges.filter(
      (edge) => edge.child === table && (edge.isDependant || edge.cutsLoose) && this.held.has(nameTarget(edge)),
    );
    const compared = [
      [table, this.keys.primaryKeyOf(table)] as const,
      ...seeking.map(({ parent, referencedColumns }) => [parent, referencedColumns] as const),
    ];
    const isTold = compared.every(([name, [first = ""]]) => !this.keys.hasOtherSpellings(name, first));
    return isTold ? this.texts.of(table) : null;
  }

  /** The same for parents that are taken. */
  soughtParents({ parent, referencedColumns }: ClosureEdge, missing: ReadonlySet<string>): Sought | null {
    if (this.keys.hasOtherSpellings(parent, referencedColumns[0] ?? "")) return null;
    const texts = new SoughtTexts();
    for (const value of missing) texts.add(parent, referencedColumns, value);
    return texts.of(parent);
  }

  private chooseKey(table: TableName, key: string): void {
    add(this.chosen, table, key);
    this.texts.add(table, this.keys.primaryKeyOf(table), key);
  }

  private hold(edge: ClosureEdge, value: string): void {
    const target = nameTarget(edge);
    if (this.held.get(target)?.has(value)) return;
    add(this.held, target, value);
    for (const each of this.edges) {
      if (!(each.isDependant || each.cutsLoose) || nameTarget(each) !== target) continue;
      this.texts.add(each.child, each.columns, value);
      this.knock(each.child);
    }
  }

  private knock(table: TableName): void {
    this.knocks.set(table, this.knocksOf(table) + 1);
  }

  private dependsOnChosen(table: TableName, fields: Fields): boolean {
    return this.edges.some((edge) => edge.child === table && edge.isDependant && this.isHeld(edge, fields));
  }

  private isHeld(edge: ClosureEdge, fields: Fields): boolean {
    const value = this.keys.readReference(edge, fields);
    return value !== null && this.held.get(nameTarget(edge))?.has(value) === true;
  }

  private want(table: TableName, fields: Fields): void {
    for (const edge of this.edges) {
      const value = edge.child === table ? this.keys.readReference(edge, fields) : null;
      if (value === null) continue;
      const target = nameTarget(edge);
      const entry = this.wanted.get(target) ?? { edge, values: new Set() };
      entry.values.add(value);
      this.wanted.set(target, entry);
    }
  }
}

function add(map: Map<string, Set<string>>, name: string, value: string): void {
  const set = map.get(name) ?? new Set();
  set.add(value);
  map.set(name, set);
}

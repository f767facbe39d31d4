// The tables that a recovery makes: those whose rows the backup holds, and their partitions.
import { inPlace, type Place } from "./placed-ddl.ts";
import type { ColumnDescription, SchemaDescription, TableDescription, TableName } from "./schema.ts";
import { quoteTable } from "./sql-quoting.ts";

/** A table of the backup, and its columns that it holds values of. */
export interface StoredTable {
  readonly table: TableName;
  readonly columns: readonly string[];
}

export class MadeTables {
  /** In the order in which they can be made: partitions after what they are partitions of. */
  readonly all: readonly TableDescription[];
  readonly place: Place;
  private readonly byName: ReadonlyMap<TableName, TableDescription>;
  private readonly stored: ReadonlyMap<TableName, ReadonlySet<string>>;

  constructor(schema: SchemaDescription, stored: readonly StoredTable[], place: Place = inPlace) {
    this.place = place;
    this.byName = new Map(schema.tables.map((table) => [table.name, table]));
    this.stored = new Map(stored.map(({ table, columns }) => [table, new Set(columns)]));
    this.all = schema.tables
      .filter(({ name }) => this.has(name))
      .map((table) => ({ table, depth: this.lineage(table).length }))
      .sort((a, b) => a.depth - b.depth)
      .map(({ table }) => table);
  }

  has(name: TableName): boolean {
    const table = this.byName.get(name);
    return table !== undefined && this.stored.has(this.rootOf(table));
  }

  /** What the table is a partition of. */
  parentOf(table: TableDescription): TableDescription | undefined {
    return this.byName.get(table.partitionOf ?? "");
  }

  /** The table whose rows hold those of a partition. */
  rootOf(table: TableDescription): TableName {
    return this.lineage(table).at(-1)?.name ?? table.name;
  }

  /** Its values are not in the backup. */
  isOmitted(table: TableDescription, column: ColumnDescription): boolean {
    return column.generated === null && this.stored.get(table.name)?.has(column.name) === false;
  }

  /** Where it is made. */
  quote(table: TableName): string {
    return quoteTable(this.place(table));
  }

  /** The table, its parent, and so on to the one that is no partition. */
  private lineage(table: TableDescription): TableDescription[] {
    const parent = this.parentOf(table);
    return parent === undefined ? [table] : [table, ...this.lineage(parent)];
  }
}

// Keys in rows of COPY text, each as a text that is the same wherever the database takes the values for equal: citext has no
// case, numeric no trailing zeros.
import type { SchemaDescription, TableDescription, TableName } from "../schema.ts";
import type { ClosureEdge } from "./closure-edges.ts";
import { baseTypeName } from "./type-difference.ts";

/** A table of the backup, and the columns that its rows have. */
export interface StoredColumns {
  readonly table: TableName;
  readonly columns: readonly string[];
}

/** Of a row, as COPY text, in the order of its table's columns; "\N" is NULL. */
export type Fields = readonly string[];

export class CanonicalKeys {
  private readonly tables: ReadonlyMap<TableName, TableDescription>;
  private readonly stored: ReadonlyMap<TableName, readonly string[]>;

  constructor(schema: SchemaDescription, stored: readonly StoredColumns[]) {
    this.tables = new Map(schema.tables.map((table) => [table.name, table]));
    this.stored = new Map(stored.map(({ table, columns }) => [table, columns]));
  }

  primaryKeyOf(table: TableName): readonly string[] {
    return this.describe(table).primaryKey;
  }

  columnsOf(table: TableName): readonly string[] {
    return this.stored.get(table) as readonly string[];
  }

  /** Of the columns `names`, in a row that has `columns`. Null where a field is NULL or not stored. */
  read(table: TableName, names: readonly string[], fields: Fields, columns = this.columnsOf(table)): string | null {
    return canonical(fieldsOf(names, columns, fields), this.typesOf(table, names));
  }

  /** What a row refers to, as read() gives it of that row; null where it refers to nothing, or to another table. */
  readReference({ child, columns, type, parent, referencedColumns }: ClosureEdge, fields: Fields): string | null {
    const stored = this.columnsOf(child);
    if (type !== null && fields[stored.indexOf(type.column)] !== type.value) return null;
    return canonical(fieldsOf(columns, stored, fields), this.typesOf(parent, referencedColumns));
  }

  /** Whether values of the column can be equal and written differently. */
  hasOtherSpellings(table: TableName, column: string): boolean {
    return this.typesOf(table, [column]).some((type) => /citext$|^numeric$/.test(baseTypeName(type)));
  }

  private typesOf(table: TableName, names: readonly string[]): readonly string[] {
    const { columns } = this.describe(table);
    return names.map((name) => columns.find((column) => column.name === name)?.type ?? "");
  }

  private describe(table: TableName): TableDescription {
    return this.tables.get(table) as TableDescription;
  }
}

const fieldsOf = (names: readonly string[], columns: readonly string[], fields: Fields): readonly string[] =>
  names.map((name) => fields[columns.indexOf(name)] ?? "\\N");

function canonical(fields: readonly string[], types: readonly string[]): string | null {
  const values = fields.map((field, index) => normalize(field, types[index] ?? ""));
  return values.includes("\\N") ? null : values.join("\t");
}

function normalize(text: string, type: string): string {
  if (text === "\\N") return text;
  const name = baseTypeName(type);
  if (name.endsWith("citext")) return text.toLowerCase();
  return name === "numeric" && text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

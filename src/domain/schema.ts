// The description of a source database's schema, as the backup reads it from pg_catalog and keeps it in each manifest.
// It holds what is needed to classify tables, to make the tables again elsewhere, and to compare two moments.

/** "schema.table", unquoted, as in the catalogue file. Names that need quoting are quoted only when SQL is written. */
export type TableName = string;

export interface ColumnDescription {
  readonly name: string;
  /** As format_type() prints it with an empty search_path, e.g. "numeric(12,2)", "public.rsvp_status[]". */
  readonly type: string;
  readonly notNull: boolean;
  /** SQL of the default, or null. For generated columns the generation expression. */
  readonly defaultSql: string | null;
  /** "stored" | "virtual": generated columns carry no data of their own and are left out of COPY. */
  readonly generated: "stored" | "virtual" | null;
  readonly identity: "always" | "by default" | null;
  readonly collation: string | null;
}

export interface ForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  readonly referencedTable: TableName;
  readonly referencedColumns: readonly string[];
  /** How parent = child is asked, for each column; absent where it is the plain "=" of Postgres itself. */
  readonly operators?: readonly string[];
  /** pg_get_constraintdef(). */
  readonly definition: string;
}

export interface TableDescription {
  readonly name: TableName;
  /** "foreign": its rows lie in another server, out of any snapshot's reach. */
  readonly kind: "table" | "partitioned" | "foreign";
  /** For a partition: its parent. Partitions hold no batch of their own; the parent's COPY reads them. */
  readonly partitionOf: TableName | null;
  /** Old-style inheritance: its parents, in order. Absent where it has none. */
  readonly inherits?: readonly TableName[];
  /** "PARTITION BY …" of a partitioned table, "FOR VALUES …" of a partition, one after the other of both; else null. */
  readonly partitionClause: string | null;
  readonly columns: readonly ColumnDescription[];
  /** Column names; empty when the table has no primary key. */
  readonly primaryKey: readonly string[];
  readonly foreignKeys: readonly ForeignKey[];
  /** Primary key, unique, check and exclusion constraints, as pg_get_constraintdef() prints them. */
  readonly constraints: readonly {
    readonly name: string;
    readonly definition: string;
    readonly kind: "p" | "u" | "c" | "x";
  }[];
  /** pg_get_indexdef() of indexes that no constraint owns. */
  readonly indexes: readonly string[];
  readonly rowSecurity: boolean;
  /** From pg_class, for planning only. */
  readonly estimatedRows: number;
  readonly estimatedBytes: number;
}

export interface EnumDescription {
  readonly name: string;
  readonly labels: readonly string[];
}

export interface DomainDescription {
  readonly name: string;
  /** Full "CREATE DOMAIN …" statement. */
  readonly definition: string;
}

export interface SequenceDescription {
  readonly name: string;
  /** "schema.table.column" that owns it, or null. */
  readonly ownedBy: string | null;
  readonly type: string;
  readonly increment: string;
  readonly lastValue: string | null;
}

export interface SchemaDescription {
  readonly tables: readonly TableDescription[];
  /** Tables of schemas that were not asked for, which refer to these or inherit from them. Absent where there are none. */
  readonly outside?: readonly { readonly table: TableName; readonly leadsTo: TableName }[];
  readonly enums: readonly EnumDescription[];
  readonly domains: readonly DomainDescription[];
  readonly sequences: readonly SequenceDescription[];
  readonly extensions: readonly { readonly name: string; readonly version: string; readonly schema: string }[];
  /** Composite types and functions that column defaults, generated columns and checks name: full CREATE statements. */
  readonly supportingSql: readonly string[];
}

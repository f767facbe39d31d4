// The catalogue says, as data, how a schema belongs to its organizations. WedSync's is built in
// (src/domain/catalogues/wedsync.json); BACKUP_CATALOGUE names a JSON or YAML file for any other schema, and
// `wedsync-backup catalogue suggest` writes a first one.
import type { TableName } from "./schema.ts";

export interface DataSet {
  readonly name: string;
  readonly title: string;
  /** 1 is the most critical; lower numbers are backed up first. */
  readonly priority: number;
  readonly tables: readonly TableName[];
}

export interface PolymorphicTable {
  readonly table: TableName;
  readonly typeColumn: string;
  readonly idColumn: string;
  /** Value of typeColumn → table whose primary key idColumn then holds. */
  readonly targets: Readonly<Record<string, TableName>>;
}

export interface MediaColumn {
  readonly table: TableName;
  /** Holds a path relative to the media source; NULL means no file. */
  readonly column: string;
}

/** What becomes of a value in a copy of the organization under another id. */
export type CloneRule =
  /** It is left out. */
  | "null"
  /** Something is added that no other copy has; of an e-mail address, before its @. */
  | "suffix"
  /** It stays; a copy is refused where it must be unique and a live row has it. */
  | "keep-if-free"
  /** A row that has one can't be copied. */
  | "refuse";

/** A value that others know by itself: a slug, an e-mail address, the id of a payment elsewhere. */
export interface ExternalId {
  readonly table: TableName;
  readonly column: string;
  readonly onClone: CloneRule;
}

/** A value that holds keys of rows, and no foreign key says so; a copy's must name the copy's rows. */
export interface Link {
  readonly table: TableName;
  readonly column: string;
  /** Whose keys. Left out: every uuid in the text that is a key of the organization's, wherever it stands. */
  readonly target?: TableName;
  /** Into a json or jsonb value; "*" is every element or member. Left out: the value itself, or each of an array's. */
  readonly path?: readonly string[];
  /** At the path is an object whose member names are the keys. */
  readonly memberNames?: boolean;
}

/** What must hold in an organization's rows, told by a query that finds what offends. */
export interface Rule {
  readonly name: string;
  /** For people: "No table seats more guests than it has seats". */
  readonly title: string;
  /** A SELECT of the offending rows' keys, $1 = organization; every name with its schema. */
  readonly sql: string;
}

export interface Catalogue {
  readonly version: 1;
  readonly name: string;
  readonly root: { readonly table: TableName; readonly key: string };
  /** Column of the root table that people know an organization by; shown to operators, never stored outside a seal. */
  readonly organizationName?: string;
  readonly dataSets: readonly DataSet[];
  /** Tables whose organization column has no foreign key to the root. */
  readonly organizationColumns: Readonly<Record<TableName, string>>;
  readonly polymorphic: readonly PolymorphicTable[];
  readonly media: readonly MediaColumn[];
  /** Where an organization's files lie: "{organization}/". A row that names a file elsewhere names none. */
  readonly mediaFolder?: string;
  /** Shared by all organizations; not stored, only fingerprinted. */
  readonly references: readonly { readonly table: TableName; readonly reason: string }[];
  readonly exclusions: readonly { readonly table: TableName; readonly reason: string }[];
  /** Columns whose values are not stored (data minimization); they come back as NULL or their default. */
  readonly omittedColumns: readonly { readonly table: TableName; readonly column: string; readonly reason: string }[];
  /** Columns whose values no caller of the HTTP API sees: of them it is only told whether backup and live differ. */
  readonly masks?: readonly { readonly table: TableName; readonly column: string }[];
  /** Asked when an organization is restored as another one. */
  readonly externalIds?: readonly ExternalId[];
  readonly links?: readonly Link[];
  /** Checked after a restore and by verification. */
  readonly rules?: readonly Rule[];
  /** Schemas that are looked at; tables elsewhere are not the app's. */
  readonly schemas: readonly string[];
}

export type TableRole = "root" | "direct" | "indirect" | "self" | "polymorphic" | "reference" | "excluded";

/** How one table belongs to an organization, and why. */
export interface TableClassification {
  readonly table: TableName;
  readonly role: TableRole;
  /** Null for reference and excluded tables. */
  readonly dataSet: string | null;
  /** For people: "by weddings.organization_id", "excluded: caches only". */
  readonly reason: string;
}

/** One table of an organization's closure, ready to be read. */
export interface ClosureTable extends TableClassification {
  /** Stored columns in order: the primary key first, generated and omitted columns left out. */
  readonly columns: readonly string[];
  /** How many of the first columns are the primary key; 0 where there is none, and then the whole row counts as key. */
  readonly keyColumnCount: number;
  /** SELECT of those columns; the organization is placeholder $1. Deterministic row order is not promised. */
  readonly rowsSql: string;
  /** SELECT count(*) AS rows, count(*) FILTER (rows not older than transaction $2) AS recent, same rows as rowsSql. */
  readonly changesSql: string;
  /** rowsSql, of the rows not older than transaction $2 only. */
  readonly changedRowsSql: string;
  /** The key columns of all rows; null where there is no primary key. */
  readonly keysSql: string | null;
  /**
   * Where rows belong through one table's primary key alone: SELECT EXISTS of rows that are older than transaction $2 and
   * hang on one of that table's rows that are not, AS joined. $3 = how many of those there are at most.
   */
  readonly joined: { readonly parent: TableName; readonly sql: string } | null;
  /** Other closure tables through which rows are reached: when one of them changed, membership may have, too. */
  readonly dependsOn: readonly TableName[];
  readonly estimatedBytes: number;
}

/** A foreign key by which an organization's rows could point at another's. */
export interface ForeignRowCheck {
  readonly table: TableName;
  readonly key: string;
  readonly parent: TableName;
  /** A bigint: how many rows of the organization do; $1 = organization. */
  readonly countSql: string;
}

export interface TenantClosure {
  readonly catalogue: Catalogue;
  /** In backup order: by data set priority, then parents first. */
  readonly tables: readonly ClosureTable[];
  readonly classifications: readonly TableClassification[];
  readonly foreignRowChecks: readonly ForeignRowCheck[];
  /** SELECT DISTINCT of the media paths that the organization's rows name, $1 = organization; null without media. */
  readonly mediaSql: readonly { readonly table: TableName; readonly column: string; readonly sql: string }[];
}

// SQL that makes an organization's tables again, from the schema description that its backup carries. Pure.
//
// Made are the tables whose rows the backup holds, and their partitions. Reference and excluded tables are not: an empty
// one would refuse each row that the app writes, and a foreign key to it could not be valid. Foreign keys to what is not
// made are left out and named, with the reason. Everything else comes back, and what can't is named, too.
import type { ColumnDescription, ForeignKey, SchemaDescription, TableDescription, TableName } from "./schema.ts";
import type { MadeObject } from "./made-object.ts";
import {
  createSequence,
  findSequences,
  ownSequence,
  sequenceOptions,
  setSequence,
  type OwnedSequence,
} from "./sequence-ddl.ts";
import { inPlace, placeIndex, placeReference, type Place } from "./placed-ddl.ts";
import { quoteIdentifier, quoteTable, splitTable } from "./sql-quoting.ts";
import { planTypes } from "./type-ddl.ts";

export interface DdlStep {
  /** For reports and errors: "table public.guests". */
  readonly subject: string;
  readonly sql: string;
  /** The table of the backup that it makes a part of; null = shared, or made of several. */
  readonly table: TableName | null;
  /** null where it makes only a part of something, or nobody knows what. */
  readonly makes: MadeObject | null;
  /** What to do when the database refuses: rows must come back even where a default or a key can't. */
  readonly ifRefused: "fail" | "leave out" | { readonly sql: string; readonly leftOut: string };
}

export interface RecoveryDdl {
  readonly schemas: readonly string[];
  /** All that are made, partitions after what they are partitions of. */
  readonly tables: readonly TableDescription[];
  /** Extensions, types, functions, sequences, tables without constraints. */
  readonly before: readonly DdlStep[];
  /** Keys, checks and indexes, then sequences. */
  readonly after: readonly DdlStep[];
  /** Last, each on its own: rows of this organization may point at another's. */
  readonly foreignKeys: readonly DdlStep[];
  /** What is not made, and why; for the report. */
  readonly leftOut: readonly string[];
}

/** A table of the backup, and its columns that it holds values of. */
export interface StoredTable {
  readonly table: TableName;
  readonly columns: readonly string[];
}

/** `place`: where tables are made, for as long as they have not the place that is theirs; see placed-ddl.ts. */
export function planRecoveryDdl(
  schema: SchemaDescription,
  stored: readonly StoredTable[],
  place: Place = inPlace,
): RecoveryDdl {
  const plan = new Plan(schema, stored, place);
  const sequences = findSequences(schema, new Set(plan.tables.map((table) => table.name)));
  const types = planTypes(schema);
  const schemas = [
    ...plan.tables.map((table) => splitTable(table.name).schema),
    ...types.map((type) => type.schema),
    ...sequences.map((sequence) => splitTable(sequence.name).schema),
    ...schema.extensions.map((extension) => extension.schema),
  ];
  const before = [
    ...schema.extensions.map(({ name, schema: home }): DdlStep => {
      const sql = `CREATE EXTENSION IF NOT EXISTS ${quoteIdentifier(name)} SCHEMA ${quoteIdentifier(home)}`;
      return { ...step(`extension ${name}`, sql, "leave out"), makes: { kind: "extension", schema: "", name } };
    }),
    ...types.map(({ subject, sql, makes }) => ({ ...step(subject, sql, "fail"), makes })),
    ...sequences
      .filter((sequence) => !sequence.isIdentity)
      .map((sequence) => ({
        ...step(`sequence ${sequence.name}`, createSequence(sequence), "fail"),
        makes: relation(sequence.name),
      })),
    ...plan.tables.flatMap((table) => plan.createTable(table, sequences)),
  ];
  const foreignKeys = plan.tables.flatMap((table) =>
    table.foreignKeys.flatMap((key) => plan.addForeignKey(table, key)),
  );
  plan.noteRowSecurity();
  return {
    schemas: [...new Set(schemas)].filter((name) => name !== "pg_catalog"),
    tables: plan.tables,
    before,
    after: [
      ...plan.tables.flatMap((table) => plan.addConstraints(table)),
      ...plan.tables.flatMap((table) => plan.inherit(table)),
      ...plan.tables.flatMap((table) => plan.addIndexes(table)),
      ...sequences.flatMap(finishSequence),
    ],
    foreignKeys,
    leftOut: plan.leftOut,
  };
}

const step = (
  subject: string,
  sql: string,
  ifRefused: DdlStep["ifRefused"],
  table: TableName | null = null,
): DdlStep => ({ subject, sql, table, makes: null, ifRefused });

const relation = (name: TableName): MadeObject => ({ kind: "relation", ...splitTable(name) });

class Plan {
  /** In the order in which they can be made: partitions after what they are partitions of. */
  readonly tables: readonly TableDescription[];
  readonly leftOut: string[] = [];
  private readonly byName: ReadonlyMap<TableName, TableDescription>;
  private readonly stored: ReadonlyMap<TableName, ReadonlySet<string>>;
  private readonly place: Place;

  constructor(schema: SchemaDescription, stored: readonly StoredTable[], place: Place) {
    this.place = place;
    this.byName = new Map(schema.tables.map((table) => [table.name, table]));
    this.stored = new Map(stored.map(({ table, columns }) => [table, new Set(columns)]));
    this.tables = schema.tables
      .filter((table) => this.isMade(table))
      .map((table) => ({ table, depth: this.lineage(table).length }))
      .sort((a, b) => a.depth - b.depth)
      .map(({ table }) => table);
  }

  createTable(table: TableDescription, sequences: readonly OwnedSequence[]): DdlStep[] {
    const subject = `table ${table.name}`;
    const name = this.quote(table.name);
    const root = this.rootOf(table);
    const makes = relation(this.place(table.name));
    if (table.partitionOf !== null) {
      const sql = `CREATE TABLE ${name} PARTITION OF ${this.quote(table.partitionOf)} ${table.partitionClause ?? "DEFAULT"}`;
      return [{ ...step(subject, sql, "fail", root), makes }, ...this.ownDefaults(table)];
    }
    const write = (withDefaults: boolean): string => {
      const columns = table.columns.map((column) => `  ${this.describeColumn(table, column, sequences, withDefaults)}`);
      return `CREATE TABLE ${name} (\n${columns.join(",\n")}\n)${table.kind === "partitioned" ? ` ${table.partitionClause ?? ""}` : ""}`;
    };
    const hasDefaults = table.columns.some(
      (column) => column.generated === null && column.identity === null && column.defaultSql !== null,
    );
    const plain = { sql: write(false), leftOut: `column defaults of ${table.name}` };
    return [{ ...step(subject, write(true), hasDefaults ? plain : "fail", root), makes }];
  }

  addConstraints(table: TableDescription): DdlStep[] {
    // A partition has its parent's already.
    const inherited = new Set(this.byName.get(table.partitionOf ?? "")?.constraints.map((each) => each.name));
    return table.constraints
      .filter(({ name, kind }) => !(kind === "c" && inherited.has(name)))
      .sort((a, b) => kindOrder[a.kind] - kindOrder[b.kind])
      .map(({ name, definition }) =>
        step(
          `constraint ${name} of ${table.name}`,
          `ALTER TABLE ${this.quote(table.name)} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition}`,
          "leave out",
          this.rootOf(table),
        ),
      );
  }

  addForeignKey(table: TableDescription, key: ForeignKey): DdlStep[] {
    const subject = `foreign key ${key.name} of ${table.name}`;
    const target = this.byName.get(key.referencedTable);
    if (target !== undefined && this.isMade(target)) {
      const definition = placeReference(key.definition, key.referencedTable, this.place);
      const sql = `ALTER TABLE ${this.quote(table.name)} ADD CONSTRAINT ${quoteIdentifier(key.name)} ${definition}`;
      return [step(subject, sql, "leave out")];
    }
    this.leftOut.push(`${subject}: ${key.referencedTable} is not part of the backup`);
    return [];
  }

  /** After the constraints, which a child must have before it may inherit. */
  inherit(table: TableDescription): DdlStep[] {
    return (table.inherits ?? []).flatMap((parent) => {
      const subject = `inheritance of ${table.name} from ${parent}`;
      const target = this.byName.get(parent);
      if (target !== undefined && this.isMade(target))
        return [step(subject, `ALTER TABLE ${quoteTable(table.name)} INHERIT ${quoteTable(parent)}`, "leave out")];
      this.leftOut.push(`${subject}: ${parent} is not part of the backup`);
      return [];
    });
  }

  noteRowSecurity(): void {
    const secured = this.tables.filter((table) => table.rowSecurity).map((table) => table.name);
    if (secured.length > 0)
      this.leftOut.push(`row-level security of ${secured.join(", ")}: its policies are not part of the backup`);
  }

  private describeColumn(
    table: TableDescription,
    column: ColumnDescription,
    sequences: readonly OwnedSequence[],
    withDefault: boolean,
  ): string {
    const parts = [quoteIdentifier(column.name), column.type];
    if (column.collation !== null) parts.push(`COLLATE ${column.collation}`);
    if (column.generated !== null)
      parts.push(`GENERATED ALWAYS AS (${column.defaultSql ?? "NULL"}) ${column.generated.toUpperCase()}`);
    else if (column.identity !== null)
      parts.push(
        `GENERATED ${column.identity.toUpperCase()} AS IDENTITY${this.identityOptions(table, column, sequences)}`,
      );
    else if (withDefault && column.defaultSql !== null) parts.push(`DEFAULT ${column.defaultSql}`);
    const isEmpty =
      this.isOmitted(table, column) && (column.defaultSql === null || !withDefault) && column.identity === null;
    if (column.notNull && !isEmpty) parts.push("NOT NULL");
    if (column.notNull && isEmpty && withDefault)
      this.leftOut.push(`NOT NULL of ${table.name}.${column.name}: the catalogue leaves its values out of backups`);
    return parts.join(" ");
  }

  /** COPY through the parent takes the parent's; these count for the rows to come. */
  private ownDefaults(table: TableDescription): DdlStep[] {
    const parent = new Map(this.byName.get(table.partitionOf ?? "")?.columns.map((column) => [column.name, column]));
    return table.columns
      .filter(
        (column) =>
          column.generated === null &&
          column.identity === null &&
          column.defaultSql !== null &&
          column.defaultSql !== parent.get(column.name)?.defaultSql,
      )
      .map(({ name, defaultSql }) =>
        step(
          `default of ${table.name}.${name}`,
          `ALTER TABLE ${this.quote(table.name)} ALTER COLUMN ${quoteIdentifier(name)} SET DEFAULT ${defaultSql}`,
          "leave out",
          this.rootOf(table),
        ),
      );
  }

  private isOmitted(table: TableDescription, column: ColumnDescription): boolean {
    return column.generated === null && this.stored.get(table.name)?.has(column.name) === false;
  }

  /** pg_get_indexdef() says ONLY of a partitioned table's index, which would leave the partitions without theirs. */
  addIndexes(table: TableDescription): DdlStep[] {
    return table.indexes.map((definition) => {
      const sql = placeIndex(definition.replace(onlyOfParent, "$1"), table.name, this.place);
      return step(`an index of ${table.name}`, sql, "leave out", this.rootOf(table));
    });
  }

  private identityOptions(
    table: TableDescription,
    column: ColumnDescription,
    sequences: readonly OwnedSequence[],
  ): string {
    const own = sequences.find(({ owner }) => owner?.table.name === table.name && owner.column === column.name);
    return own === undefined ? "" : ` (SEQUENCE NAME ${this.quote(own.name)} ${sequenceOptions(own)})`;
  }

  private quote(table: TableName): string {
    return quoteTable(this.place(table));
  }

  private isMade(table: TableDescription): boolean {
    return this.stored.has(this.rootOf(table));
  }

  /** The table whose rows hold those of a partition. */
  private rootOf(table: TableDescription): TableName {
    return this.lineage(table).at(-1)?.name ?? table.name;
  }

  /** The table, its parent, and so on to the one that is no partition. */
  private lineage(table: TableDescription): TableDescription[] {
    const parent = this.byName.get(table.partitionOf ?? "");
    return parent === undefined ? [table] : [table, ...this.lineage(parent)];
  }
}

const kindOrder = { p: 0, u: 1, x: 2, c: 3 } as const;

const onlyOfParent = /^(CREATE (?:UNIQUE )?INDEX (?:"(?:[^"]|"")*"|[^\s"]+) ON )ONLY /;

function finishSequence(sequence: OwnedSequence): DdlStep[] {
  const subject = `sequence ${sequence.name}`;
  const own = sequence.isIdentity ? null : ownSequence(sequence);
  const set = setSequence(sequence);
  return [
    ...(own === null ? [] : [step(`owner of ${subject}`, own, "leave out")]),
    ...(set === null ? [] : [step(`value of ${subject}`, set, "leave out")]),
  ];
}

// The schema, from pg_catalog, in one round trip.
import type { Client } from "pg";
import type {
  ColumnDescription,
  DomainDescription,
  EnumDescription,
  ForeignKey,
  SchemaDescription,
  SequenceDescription,
  TableDescription,
} from "../../domain/schema.ts";
import { mapPostgresError } from "./map-error.ts";
import { schemaSql } from "./read-schema-sql.ts";

type Row<T> = T & { oid: number };
interface Types {
  enums: EnumDescription[];
  domains: DomainDescription[];
  composites: string[];
  functions: string[];
  sequences: SequenceDescription[];
  extensions: SchemaDescription["extensions"];
}

export async function readSchema(client: Client, schemas: readonly string[]): Promise<SchemaDescription> {
  try {
    const { rows } = await client.query<string[]>({ text: schemaSql, values: [schemas], rowMode: "array" });
    const [tables, columns, constraints, indexes, outside, types] = (rows[0] ?? []).map(
      (text) => JSON.parse(text) as unknown,
    );
    return assemble(
      tables as Row<TableDescription & { ownBytes: number }>[],
      columns as Row<ColumnDescription>[],
      constraints as Row<ForeignKey & { kind: string; inherited: boolean }>[],
      indexes as Row<{ definition: string }>[],
      outside as NonNullable<SchemaDescription["outside"]>,
      types as Types,
    );
  } catch (error) {
    throw mapPostgresError(error, "reading the schema");
  }
}

function assemble(
  tables: Row<TableDescription & { ownBytes: number }>[],
  columns: Row<ColumnDescription>[],
  constraints: Row<ForeignKey & { kind: string; inherited: boolean }>[],
  indexes: Row<{ definition: string }>[],
  outside: NonNullable<SchemaDescription["outside"]>,
  types: Types,
): SchemaDescription {
  const columnsOf = groupByTable(columns);
  const constraintsOf = groupByTable(constraints);
  const indexesOf = groupByTable(indexes);
  // A partitioned table holds nothing itself: its size is its partitions'.
  const sizes = new Map<string, { bytes: number; rows: number }>();
  const parents = new Map(tables.map((table) => [table.name, table.partitionOf]));
  for (const { partitionOf, kind, ownBytes, estimatedRows } of tables) {
    if (kind === "partitioned") continue;
    for (let parent = partitionOf; parent !== null; parent = parents.get(parent) ?? null) {
      const sum = sizes.get(parent) ?? { bytes: 0, rows: 0 };
      sizes.set(parent, { bytes: sum.bytes + ownBytes, rows: sum.rows + estimatedRows });
    }
  }
  const described = tables.map(({ oid, ownBytes, inherits, ...table }): TableDescription => {
    const own = constraintsOf.get(oid) ?? [];
    const partitions = sizes.get(table.name);
    return {
      ...table,
      ...(inherits ? { inherits } : {}),
      columns: (columnsOf.get(oid) ?? []).map(
        ({ name, type, notNull, defaultSql, generated, identity, collation }) => ({
          name,
          type,
          notNull,
          defaultSql,
          generated,
          identity,
          collation,
        }),
      ),
      primaryKey: own.find((each) => each.kind === "p")?.columns ?? [],
      foreignKeys: own
        .filter((each) => each.kind === "f" && !each.inherited)
        .map(({ name, columns: from, referencedTable, referencedColumns, operators, definition }) => ({
          name,
          columns: from,
          referencedTable,
          referencedColumns,
          ...(operators ? { operators } : {}),
          definition,
        })),
      constraints: own
        .filter((each) => each.kind !== "f" && !each.inherited)
        .map(({ name, definition, kind }) => ({ name, definition, kind: kind as "p" | "u" | "c" | "x" })),
      indexes: (indexesOf.get(oid) ?? []).map((index) => index.definition),
      estimatedRows: partitions?.rows ?? table.estimatedRows,
      estimatedBytes: partitions?.bytes ?? ownBytes,
    };
  });
  return {
    tables: described,
    ...(outside.length > 0 ? { outside } : {}),
    enums: types.enums,
    domains: types.domains.map(({ name, definition }) => ({ name, definition })),
    sequences: types.sequences,
    extensions: types.extensions,
    supportingSql: [...types.composites, ...types.functions],
  };
}

function groupByTable<T extends { oid: number }>(rows: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const row of rows) {
    const group = groups.get(row.oid);
    if (group === undefined) groups.set(row.oid, [row]);
    else group.push(row);
  }
  return groups;
}

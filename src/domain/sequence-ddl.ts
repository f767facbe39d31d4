// Sequences of recovered tables: made before the tables whose defaults call them, owned and set after the rows are there.
import type {
  ColumnDescription,
  SchemaDescription,
  SequenceDescription,
  TableDescription,
  TableName,
} from "./schema.ts";
import { quoteIdentifier, quoteLiteral, quoteTable, splitTable } from "./sql-quoting.ts";

export interface OwnedSequence extends SequenceDescription {
  readonly owner: { readonly table: TableDescription; readonly column: string } | null;
  /** Made by its identity column, not by a statement of its own. */
  readonly isIdentity: boolean;
}

/** The sequences that come back: those of made tables, and those of none. */
export function findSequences(schema: SchemaDescription, made: ReadonlySet<TableName>): OwnedSequence[] {
  const columns = new Map<string, { table: TableDescription; column: ColumnDescription }>(
    schema.tables.flatMap((table) =>
      table.columns.map((column) => [`${table.name}.${column.name}`, { table, column }] as const),
    ),
  );
  return schema.sequences.flatMap((sequence): OwnedSequence[] => {
    if (sequence.ownedBy === null) return [{ ...sequence, owner: null, isIdentity: false }];
    const found = columns.get(sequence.ownedBy);
    if (found === undefined || !made.has(found.table.name)) return [];
    return [
      {
        ...sequence,
        owner: { table: found.table, column: found.column.name },
        isIdentity: found.column.identity !== null,
      },
    ];
  });
}

/** The bounds are not in the description: they are the type's, and reach at least as far as the sequence has come. */
export function sequenceOptions({ increment, lastValue }: SequenceDescription): string {
  const descending = increment.startsWith("-");
  const beyond = lastValue !== null && (descending ? BigInt(lastValue) > -1n : BigInt(lastValue) < 1n);
  return `INCREMENT BY ${increment}${beyond ? ` ${descending ? "MAXVALUE" : "MINVALUE"} ${lastValue}` : ""}`;
}

export const createSequence = (sequence: OwnedSequence): string =>
  `CREATE SEQUENCE ${quoteTable(sequence.name)} AS ${sequence.type} ${sequenceOptions(sequence)}`;

export function ownSequence({ name, owner }: OwnedSequence): string | null {
  return owner === null
    ? null
    : `ALTER SEQUENCE ${quoteTable(name)} OWNED BY ${quoteTable(owner.table.name)}.${quoteIdentifier(owner.column)}`;
}

const wholeNumbers = new Set(["smallint", "integer", "bigint"]);

/**
 * The further of where the sequence was and of the highest value in its column: the sequence is read a moment apart from
 * the snapshot, and a role may be allowed to read the one and not the other.
 */
export function setSequence({ name, increment, lastValue, owner }: OwnedSequence): string | null {
  const descending = increment.startsWith("-");
  const column = owner?.table.columns.find((each) => each.name === owner.column);
  const fromRows =
    owner !== null && column !== undefined && wholeNumbers.has(column.type)
      ? `(SELECT ${descending ? "min" : "max"}(${quoteIdentifier(column.name)})::bigint FROM ${quoteTable(owner.table.name)})`
      : null;
  const values = [...(lastValue === null ? [] : [`${lastValue}::bigint`]), ...(fromRows === null ? [] : [fromRows])];
  if (values.length === 0) return null;
  const furthest = `${descending ? "least" : "greatest"}(${values.join(", ")})`;
  const start =
    lastValue !== null && (descending ? BigInt(lastValue) > -1n : BigInt(lastValue) < 1n)
      ? lastValue
      : descending
        ? "-1"
        : "1";
  // regclass reads no U& escapes.
  const plain = Object.values(splitTable(name)).map((part) => `"${part.replaceAll('"', '""')}"`);
  return `SELECT pg_catalog.setval(${quoteLiteral(plain.join("."))}::regclass, v) FROM (SELECT ${furthest} AS v) AS s WHERE v ${descending ? "<=" : ">="} ${start}`;
}

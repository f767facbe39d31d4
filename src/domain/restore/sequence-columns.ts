// Which columns of a table draw from which sequence.
import type { SchemaDescription, TableDescription } from "../schema.ts";

export interface SequenceColumn {
  readonly column: string;
  readonly sequence: string;
  readonly descending: boolean;
}

export const sequenceColumns = (schema: SchemaDescription, table: TableDescription): readonly SequenceColumn[] =>
  schema.sequences.flatMap(({ name, ownedBy, increment }): SequenceColumn[] => {
    const owned = table.columns.find((column) => ownedBy === `${table.name}.${column.name}`);
    return owned === undefined ? [] : [{ column: owned.name, sequence: name, descending: increment.startsWith("-") }];
  });

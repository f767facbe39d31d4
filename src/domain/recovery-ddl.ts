// SQL that makes an organization's tables again, from the schema description that its backup carries, in the order in which
// it can run. Pure.
//
// Made are the tables whose rows the backup holds, and their partitions. Reference and excluded tables are not: an empty
// one would refuse each row that the app writes, and a foreign key to it could not be valid. Foreign keys to what is not
// made are left out and named, with the reason. Everything else comes back, and what can't is named, too.
import { relation, step, type DdlStep } from "./ddl-step.ts";
import { MadeTables, type StoredTable } from "./made-tables.ts";
import type { Place } from "./placed-ddl.ts";
import { addForeignKeys, addInheritance } from "./reference-ddl.ts";
import type { SchemaDescription, TableDescription } from "./schema.ts";
import { createSequence, findSequences, ownSequence, setSequence, type OwnedSequence } from "./sequence-ddl.ts";
import { quoteIdentifier, splitTable } from "./sql-quoting.ts";
import { addConstraints, addIndexes, createTable } from "./table-ddl.ts";
import { planTypes } from "./type-ddl.ts";

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

/** `place`: where tables are made, for as long as they have not the place that is theirs; see placed-ddl.ts. */
export function planRecoveryDdl(schema: SchemaDescription, stored: readonly StoredTable[], place?: Place): RecoveryDdl {
  const made = new MadeTables(schema, stored, place);
  const sequences = findSequences(schema, new Set(made.all.map(({ name }) => name)));
  const types = planTypes(schema);
  const leftOut: string[] = [];
  const schemas = [
    ...made.all.map(({ name }) => splitTable(name).schema),
    ...types.map((type) => type.schema),
    ...sequences.map(({ name }) => splitTable(name).schema),
    ...schema.extensions.map((extension) => extension.schema),
  ];
  const before = [
    ...schema.extensions.map(createExtension),
    ...types.map(({ subject, sql, makes }) => ({ ...step(subject, sql, "fail"), makes })),
    ...sequences.flatMap(beginSequence),
    ...made.all.flatMap((table) => createTable(made, table, sequences, leftOut)),
  ];
  const foreignKeys = made.all.flatMap((table) => addForeignKeys(made, table, leftOut));
  leftOut.push(...noteRowSecurity(made.all));
  return {
    schemas: [...new Set(schemas)].filter((name) => name !== "pg_catalog"),
    tables: made.all,
    before,
    after: [
      ...made.all.flatMap((table) => addConstraints(made, table)),
      ...made.all.flatMap((table) => addInheritance(made, table, leftOut)),
      ...made.all.flatMap((table) => addIndexes(made, table)),
      ...sequences.flatMap(finishSequence),
    ],
    foreignKeys,
    leftOut,
  };
}

function createExtension({ name, schema }: SchemaDescription["extensions"][number]): DdlStep {
  const sql = `CREATE EXTENSION IF NOT EXISTS ${quoteIdentifier(name)} SCHEMA ${quoteIdentifier(schema)}`;
  return { ...step(`extension ${name}`, sql, "leave out"), makes: { kind: "extension", schema: "", name } };
}

function beginSequence(sequence: OwnedSequence): DdlStep[] {
  if (sequence.isIdentity) return [];
  const { name } = sequence;
  return [{ ...step(`sequence ${name}`, createSequence(sequence), "fail"), makes: relation(name) }];
}

function finishSequence(sequence: OwnedSequence): DdlStep[] {
  const subject = `sequence ${sequence.name}`;
  const own = sequence.isIdentity ? null : ownSequence(sequence);
  const set = setSequence(sequence);
  return [
    ...(own === null ? [] : [step(`owner of ${subject}`, own, "leave out")]),
    ...(set === null ? [] : [step(`value of ${subject}`, set, "leave out")]),
  ];
}

function noteRowSecurity(tables: readonly TableDescription[]): string[] {
  const secured = tables.filter((table) => table.rowSecurity).map((table) => table.name);
  if (secured.length === 0) return [];
  return [`row-level security of ${secured.join(", ")}: its policies are not part of the backup`];
}

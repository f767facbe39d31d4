// The statements that tie a table that is made to others: foreign keys, and inheritance. What it is tied to may not be made.
import { step, type DdlStep } from "./ddl-step.ts";
import type { MadeTables } from "./made-tables.ts";
import { placeReference } from "./placed-ddl.ts";
import type { TableDescription } from "./schema.ts";
import { quoteIdentifier, quoteTable } from "./sql-quoting.ts";

/** `leftOut` gets those that can't be. */
export function addForeignKeys(made: MadeTables, table: TableDescription, leftOut: string[]): DdlStep[] {
  return table.foreignKeys.flatMap(({ name, referencedTable, definition }) => {
    const subject = `foreign key ${name} of ${table.name}`;
    if (!made.has(referencedTable)) {
      leftOut.push(`${subject}: ${referencedTable} is not part of the backup`);
      return [];
    }
    const placed = placeReference(definition, referencedTable, made.place);
    const sql = `ALTER TABLE ${made.quote(table.name)} ADD CONSTRAINT ${quoteIdentifier(name)} ${placed}`;
    return [step(subject, sql, "leave out")];
  });
}

/** After the constraints, which a child must have before it may inherit. `leftOut` as above. */
export function addInheritance(made: MadeTables, table: TableDescription, leftOut: string[]): DdlStep[] {
  return (table.inherits ?? []).flatMap((parent) => {
    const subject = `inheritance of ${table.name} from ${parent}`;
    if (made.has(parent))
      return [step(subject, `ALTER TABLE ${quoteTable(table.name)} INHERIT ${quoteTable(parent)}`, "leave out")];
    leftOut.push(`${subject}: ${parent} is not part of the backup`);
    return [];
  });
}

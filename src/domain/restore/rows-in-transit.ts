// A comment on a guest is tied to it by a type and an id; no foreign key takes it along when the guest is deleted. It stays
// behind as nobody's, and is the organization's again as soon as the guest is back. So while rows come back (or leave
// again), what is tied to them counts as the organization's already (or still): else a restore would find its own comment's
// key "taken", and a rollback would miss the rows that it left in peace.
import { quoteIdentifier } from "../sql-quoting.ts";
import type { Transit } from "../membership-sql.ts";
import type { RestorePlan } from "./restore-plan.ts";
import type { RestoreTable } from "./restore-table.ts";
import type { Staging } from "./staging-names.ts";

/** Once the tables are staged. */
export function countReturning(plan: RestorePlan, staging: Staging): RestorePlan {
  const byName = new Map(plan.tables.map((table) => [table.table, table]));
  const predicates = plan.withTransit((name) => {
    const table = byName.get(name);
    const key = table === undefined ? null : singleKey(table);
    return table === undefined || key === null
      ? null
      : `SELECT ${quoteIdentifier(key)} AS id FROM ${staging.table("s", table.number)}`;
  });
  return {
    ...plan,
    tables: plan.tables.map((table) => ({ ...table, predicate: predicates.get(table.table) ?? table.predicate })),
  };
}

/** For the rollback: `written` in the order by which it numbers its working tables. */
export const leavingWith =
  (written: readonly { readonly table: RestoreTable; readonly inserted: number }[], staging: Staging): Transit =>
  (name) => {
    const number = written.findIndex(({ table }) => table.table === name);
    const part = written[number];
    return part === undefined || part.inserted === 0 || singleKey(part.table) === null
      ? null
      : `SELECT k1 AS id FROM ${staging.table("d", number)} WHERE done = 'insert' AND refused IS NULL`;
  };

/** What a type column's id can point at: the live primary key, and the restore tells rows by the same. */
const singleKey = ({ key, live }: RestoreTable): string | null =>
  key.length === 1 && live.primaryKey.length === 1 && key[0] === live.primaryKey[0] ? (key[0] as string) : null;

// Loads rows into a schema as a dump is loaded: constraints and indexes are made afterwards. Ten gigabytes into tables with
// random keys take over half an hour otherwise, of which the measurement needs nothing.
import { queryOnce } from "./query-once.ts";

interface Definition extends Record<string, unknown> {
  readonly drop: string;
  readonly make: string;
}

/** What partitions have of their parents goes and comes with those. */
const constraints = `
  SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop,
         format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS make
  FROM pg_constraint
  WHERE connamespace = 'public'::regnamespace AND contype IN ('f', 'p', 'u') AND conparentid = 0
  ORDER BY contype = 'f' DESC`;

const indexes = `
  SELECT format('DROP INDEX %s', indexrelid::regclass) AS drop, pg_get_indexdef(indexrelid) AS make
  FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
  WHERE relnamespace = 'public'::regnamespace AND NOT relispartition
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)`;

export async function fillBeforeIndexes<T>(url: string, fill: () => Promise<T>): Promise<T> {
  const made = [...(await queryOnce<Definition>(url, constraints)), ...(await queryOnce<Definition>(url, indexes))];
  await queryOnce(url, made.map(({ drop }) => drop).join(";\n"));
  const filled = await fill();
  const generous = "SET maintenance_work_mem = '1GB'; SET work_mem = '1GB'";
  // Foreign keys last: they need the keys of the tables that they name.
  await queryOnce(url, [generous, ...made.toReversed().map(({ make }) => make)].join(";\n"));
  return filled;
}

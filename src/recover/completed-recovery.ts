// A recovery whose process died after its last commit is complete, and nobody was told. So that transaction leaves a mark, a
// comment on the first table that was made: the same command again finds it, and proves the rows once more.
import { BackupError } from "../domain/errors.ts";
import { inPlace } from "../domain/placed-ddl.ts";
import type { RecoveryDdl } from "../domain/recovery-ddl.ts";
import { quoteLiteral, quoteTable, splitTable } from "../domain/sql-quoting.ts";
import type { RecoverWork } from "./recover-work.ts";
import { proveTable } from "./recover-rows.ts";
import { mapTargetError, refuseNotEmpty, type TargetDatabase } from "./target-database.ts";

interface Mark {
  readonly backupId: string;
  /** What the database refused, and the recovery left out. */
  readonly notes: readonly string[];
}

/** In the transaction that ends the recovery, with every table in its own place. */
export async function markCompleted(target: TargetDatabase, { tables }: RecoveryDdl, mark: Mark): Promise<void> {
  const [first] = tables;
  if (first === undefined) return; // a database without tables can be recovered into again
  await target.execute(
    `COMMENT ON TABLE ${quoteTable(first.name)} IS ${quoteLiteral(textOf(mark))}`,
    "marking the recovery as complete",
  );
}

/**
 * For a target that is held.
 * @returns what the earlier recovery of the same backup left out; null where there was none.
 * @throws RecoverTargetNotEmpty where the rows are others by now, or another backup's; RecoverTargetUnreachable, RecoverTargetRefused
 */
export async function findCompleted(work: RecoverWork, { tables }: RecoveryDdl): Promise<readonly string[] | null> {
  const [first] = tables;
  const mark = first === undefined ? null : await readMark(work.target, first.name);
  if (mark === null) return null;
  if (mark.backupId !== work.manifest.backupId)
    throw refuseNotEmpty(`what an earlier recovery brought, of backup ${mark.backupId}`);
  await proveAgain(work);
  return mark.notes;
}

async function proveAgain({ target, vault, manifest, onTable, report }: RecoverWork): Promise<void> {
  await target.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ''", "beginning");
  for (const table of manifest.tables) {
    report("proof", table.table);
    await proveTable(target, { vault, manifest, place: inPlace }, table).catch((error: unknown) => {
      throw isOtherByNow(error)
        ? refuseNotEmpty(
            `this backup already, from a recovery that ended well, and ${table.table} was changed since; what people did there is not written over`,
          )
        : error;
    });
    onTable(table.rows);
  }
  await target.execute("COMMIT", "ending the proof");
}

const isOtherByNow = (error: unknown): boolean =>
  error instanceof BackupError &&
  (error.code === "RecoverMismatch" || ["42P01", "42703", "3F000"].includes(String(error.details["sqlState"])));

async function readMark({ client }: TargetDatabase, table: string): Promise<Mark | null> {
  const { schema, name } = splitTable(table);
  const { rows } = await client
    .query<{ comment: string | null }>(
      `SELECT pg_catalog.obj_description(c.oid, 'pg_class') AS comment FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
      [schema, name],
    )
    .catch((error: unknown) => {
      throw mapTargetError(error, "looking for an earlier recovery");
    });
  const [, backupId, notes] =
    new RegExp(`^${beginning}(\\S+); left out: (\\[.*\\])$`, "s").exec(rows[0]?.comment ?? "") ?? [];
  return backupId === undefined || notes === undefined ? null : { backupId, notes: JSON.parse(notes) as string[] };
}

const beginning = "wedsync-backup recovered this database, whole and proven: backup ";

const textOf = ({ backupId, notes }: Mark): string => `${beginning}${backupId}; left out: ${JSON.stringify(notes)}`;

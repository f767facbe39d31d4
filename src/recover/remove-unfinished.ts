// A recovery by two sessions that was killed leaves its working schemas and what it made outside of them. Whoever holds the
// target takes it away: what is surely a recovery's, as its schemas' names and comments, their owner and its record say, and
// nothing else. Nothing is dropped with CASCADE: what somebody hung on it keeps it there.
import { BackupError } from "../domain/errors.ts";
import { findUnrecorded, readRecord, recordTable, type RecordedObject } from "./recovery-record.ts";
import { mapTargetError, refuseNotEmpty, type TargetDatabase } from "./target-database.ts";
import { dropWorkingSchema, readWorkingSchema, workingPrefix } from "./working-schemas.ts";

interface FoundSchema {
  readonly name: string;
  readonly comment: string | null;
  readonly isOwn: boolean;
  readonly hasRecord: boolean;
}

interface Unfinished {
  readonly record: string;
  readonly backupId: string;
  readonly schemas: readonly string[];
}

/**
 * For a target that is held. Either nothing but what was left is in the database, and it is removed, or nothing is changed.
 * @returns the backups whose recoveries did not end.
 * @throws RecoverTargetNotEmpty, RecoverTargetRefused, RecoverTargetUnreachable
 */
export async function clearUnfinished(target: TargetDatabase): Promise<readonly string[]> {
  await target.begin();
  const backupIds = await removeUnfinished(target);
  await target.refuseIfNotEmpty();
  await target.execute("COMMIT", "committing");
  return backupIds;
}

/** Inside the caller's transaction. @returns as clearUnfinished() */
export async function removeUnfinished(target: TargetDatabase): Promise<readonly string[]> {
  const unfinished = sortOut(await findSchemas(target));
  for (const { record, schemas } of unfinished) {
    const unrecorded = await findUnrecorded(target, record, schemas);
    if (unrecorded !== null) throw refuseNotEmpty(`${unrecorded}, in a schema of a recovery that did not make it`);
    await dropMade(target, schemas, await readRecord(target, record));
  }
  return unfinished.map(({ backupId }) => backupId);
}

/** @throws RecoverTargetNotEmpty for the first that may be somebody else's. */
function sortOut(found: readonly FoundSchema[]): readonly Unfinished[] {
  const records = new Set(found.filter(({ hasRecord }) => hasRecord).map(({ name }) => name));
  const unfinished = new Map<string, Unfinished>();
  for (const { name, comment, isOwn } of found) {
    const refuse = (why: string): BackupError => refuseNotEmpty(`the schema ${name}, ${why}`);
    const read = readWorkingSchema(name, comment);
    if (read === null) throw refuse("which does not carry the mark of an unfinished recovery");
    if (!isOwn) throw refuse("which another role's recovery left; that role can recover again");
    if (!records.has(read.record)) throw refuse("whose record of what an unfinished recovery made is gone");
    const schemas = unfinished.get(read.record)?.schemas ?? [];
    unfinished.set(read.record, { ...read, schemas: [...schemas, name] });
  }
  return [...unfinished.values()];
}

async function findSchemas({ client }: TargetDatabase): Promise<readonly FoundSchema[]> {
  const { rows } = await client
    .query<{ name: string; comment: string | null; is_own: string; has_record: string }>(schemasSql, [
      workingPrefix,
      recordTable,
    ])
    .catch((error: unknown) => {
      throw mapTargetError(error, "looking for unfinished recoveries");
    });
  return rows.map(({ name, comment, is_own, has_record }) => ({
    name,
    comment,
    isOwn: is_own === "t",
    hasRecord: has_record === "t",
  }));
}

const schemasSql = `
  SELECT n.nspname AS name, pg_catalog.obj_description(n.oid, 'pg_namespace') AS comment,
    pg_catalog.pg_get_userbyid(n.nspowner) = current_user AS is_own,
    EXISTS (
      SELECT 1 FROM pg_catalog.pg_class c
      WHERE c.relnamespace = n.oid AND c.relname = $2 AND c.relkind = 'r' AND c.relowner = n.nspowner) AS has_record
  FROM pg_catalog.pg_namespace n WHERE pg_catalog.starts_with(n.nspname::text, $1) ORDER BY n.nspname`;

async function dropMade(
  target: TargetDatabase,
  schemas: readonly string[],
  made: readonly RecordedObject[],
): Promise<void> {
  const isTable = ({ type }: RecordedObject): boolean => type === "table";
  // All at once: foreign keys may form a circle.
  const tables = made.filter(isTable).map(({ identity }) => identity);
  try {
    await target.execute(`DROP TABLE ${tables.join(", ")}`, "taking away what an unfinished recovery made");
    for (const schema of schemas) await dropWorkingSchema(target, schema);
  } catch (error) {
    if (!(error instanceof BackupError && error.details["sqlState"] === "2BP01")) throw error;
    throw refuseNotEmpty(`something that hangs on what an unfinished recovery left (${schemas.join(", ")})`);
  }
  for (const { type, identity } of made.filter((each) => !isTable(each))) {
    // Somebody may use it meanwhile. An extension or a schema is in nobody's way, and the rest makes the database not empty.
    const ifRefused = "leave out";
    await target.run({
      subject: `${type} ${identity}`,
      sql: dropSql(type, identity),
      table: null,
      makes: null,
      ifRefused,
    });
  }
}

function dropSql(type: string, identity: string): string {
  if (!["sequence", "type", "extension", "schema"].includes(type))
    throw refuseNotEmpty(`the ${type} ${identity}, which no recovery makes, in an unfinished recovery's record`);
  return `DROP ${type.toUpperCase()} ${identity}`;
}

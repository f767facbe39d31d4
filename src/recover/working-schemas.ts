// The schemas that a recovery by two sessions works in: one for each schema of the backup, and one for the record of what
// it made. Their names alone prove nothing: each carries a comment that only a recovery writes.
import { randomBytes } from "node:crypto";
import { quoteIdentifier, quoteLiteral } from "../domain/sql-quoting.ts";
import type { TargetDatabase } from "./target-database.ts";

export interface WorkingSchemas {
  /** Where the record is; see recovery-record.ts. */
  readonly record: string;
  /** The working schema of each schema of the backup. */
  readonly homes: ReadonlyMap<string, string>;
}

/** Schemas with this beginning are a recovery's, or in its way. */
export const workingPrefix = "wedsync_recovery_";

export function nameWorkingSchemas(schemas: Iterable<string>): WorkingSchemas {
  const recovery = `${workingPrefix}${randomBytes(4).toString("hex")}`;
  return {
    record: `${recovery}_0`,
    homes: new Map([...schemas].map((schema, index) => [schema, `${recovery}_${index + 1}`])),
  };
}

export async function makeWorkingSchemas(
  target: TargetDatabase,
  { record, homes }: WorkingSchemas,
  backupId: string,
): Promise<void> {
  for (const name of [record, ...homes.values()].map(quoteIdentifier)) {
    await target.execute(`CREATE SCHEMA ${name}`, "making a working schema");
    await target.execute(`COMMENT ON SCHEMA ${name} IS ${quoteLiteral(markOf(backupId))}`, "marking a working schema");
  }
}

export const dropWorkingSchema = (target: TargetDatabase, name: string): Promise<void> =>
  target.execute(`DROP SCHEMA ${quoteIdentifier(name)}`, `dropping the working schema ${name}`);

/** @returns where the record of the same recovery is, and the backup's id; null where the schema is not surely a recovery's. */
export function readWorkingSchema(name: string, comment: string | null): { record: string; backupId: string } | null {
  const [, recovery] = /^(wedsync_recovery_[0-9a-f]{8})_\d+$/.exec(name) ?? [];
  const [, backupId = ""] = /\bbackup (\S+)$/.exec(comment ?? "") ?? [];
  return recovery === undefined || comment !== markOf(backupId) ? null : { record: `${recovery}_0`, backupId };
}

const markOf = (backupId: string): string =>
  `wedsync-backup works here until its recovery has ended; the next recovery removes what is left. Recovered: backup ${backupId}`;

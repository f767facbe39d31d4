// Unique and exclusion constraints that are checked at the end of a transaction, by a trigger that rests in replica mode:
// proven here.
import { BackupError } from "../../../domain/errors.ts";
import { countDuplicates, countWithValues, newerValues, type UniqueIndex } from "../../../domain/restore/unique-sql.ts";
import { RestoreSession } from "./restore-session.ts";
import type { WriteContext } from "./write-context.ts";
import type { WritePart } from "./write-part.ts";

/** @returns how many were proven. @throws RestoreConflict, RestoreTargetBusy */
export async function proveDeferredConstraints(
  context: WriteContext,
  parts: readonly WritePart[],
  url: string,
): Promise<number> {
  const { session, staging, facts } = context;
  const deferred = parts
    .filter(({ table, inserted, updated }) => table.key.length > 0 && inserted + updated > 0)
    .flatMap((part) =>
      (facts.uniqueIndexes.get(part.table.table) ?? [])
        .filter((index) => index.deferrable)
        .map((index) => ({ part, index })),
    );
  for (const { part, index } of deferred) {
    const { table } = part;
    const duplicates = await session.count(countDuplicates(staging, table, index), `proving ${index.name}`);
    if (duplicates > 0)
      throw new BackupError(
        "RestoreConflict",
        `${duplicates} rows of ${table.table} can't come back, for ${index.name} has their values already. Nothing was committed.`,
        { table: table.table, constraint: index.name },
      );
  }
  if (deferred.length > 0) await refuseNewerHolders(context, deferred, url);
  return deferred.length;
}

/**
 * A row with the same value that was committed after this transaction's snapshot is invisible to it. One that comes after
 * our write waits for us with its own check; so another session, now, sees all that there can be.
 */
async function refuseNewerHolders(
  { session, staging }: WriteContext,
  deferred: readonly { readonly part: WritePart; readonly index: UniqueIndex }[],
  url: string,
): Promise<void> {
  const doing = "looking for newer rows";
  const snapshot = (await session.value("SELECT pg_current_snapshot()", doing)) ?? "";
  const searchPath = await session.value("SELECT current_setting('search_path')", doing);
  const other = await RestoreSession.open(url);
  try {
    await other.execute("SELECT set_config('search_path', $1, false)", doing, [searchPath]);
    for (const { part, index } of deferred) {
      const { table } = part;
      const newer = await other.rows(newerValues(table, index, snapshot), doing);
      const [first] = newer;
      if (first === undefined) continue;
      const columns = index.expressions.map((_, at) => newer.map((row) => row[`u${at + 1}`] ?? null));
      const types = index.expressions.map((_, at) => first[`t${at + 1}`] ?? "text");
      const held = Number((await session.value(countWithValues(staging, table, index, types), doing, columns)) ?? 0);
      if (held > 0)
        throw new BackupError(
          "RestoreTargetBusy",
          `${held} values of ${index.name} were taken by others while they were being restored; nothing was committed.`,
          { table: table.table, constraint: index.name },
        );
    }
  } finally {
    await other.close();
  }
}

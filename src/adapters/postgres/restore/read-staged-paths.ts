// The media files that staged rows name. A table or column that was not staged names none.
import type { MediaColumn } from "../../../domain/catalogue.ts";
import { quoteIdentifier } from "../../../domain/sql-quoting.ts";
import type { StagedPath } from "../../../ports/restore-target.ts";
import { stagingOf } from "./restore-context.ts";
import type { RestoreSession } from "./restore-session.ts";
import { readShownTables } from "./stage.ts";

export async function readStagedPaths(
  session: RestoreSession,
  restoreId: string,
  columns: readonly MediaColumn[],
): Promise<readonly StagedPath[]> {
  const staging = stagingOf(restoreId);
  const paths = new Set<string>();
  for (const { table, number, names } of await readShownTables(session, restoreId)) {
    for (const media of columns) {
      if (media.table !== table || !names.includes(media.column)) continue;
      const column = quoteIdentifier(media.column);
      const sql = `SELECT DISTINCT ${column}::text AS path FROM ${staging.table("s", number)} WHERE ${column} IS NOT NULL`;
      for (const row of await session.rows(sql, `reading the files that ${table} names`)) paths.add(row["path"] ?? "");
    }
  }
  const doing = "reading the names that files had";
  const isCopy = await session.value("SELECT to_regclass($1) IS NOT NULL", doing, [staging.paths]);
  if (isCopy !== "t") return [...paths].map((path) => ({ path, source: path }));
  const known = await session.rows(`SELECT old AS source, new AS path FROM ${staging.paths}`, doing);
  return known.flatMap(({ source, path }) => (source && path && paths.has(path) ? [{ path, source }] : []));
}

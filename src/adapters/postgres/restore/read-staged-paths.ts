// The media files that staged rows name. A table or column that was not staged names none.
import type { MediaColumn } from "../../../domain/catalogue.ts";
import { columnOf } from "../../../domain/restore/row-sql.ts";
import { quoteIdentifier, quoteTable } from "../../../domain/sql-quoting.ts";
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
  for (const { table, number, names, key } of await readShownTables(session, restoreId)) {
    for (const media of columns) {
      if (media.table !== table || !names.includes(media.column)) continue;
      const column = quoteIdentifier(media.column);
      const restored = `FROM ${staging.table("s", number)} AS s WHERE s.${column} IS NOT NULL${await withoutLoose(session, staging.table("l", number), key)}`;
      const sql = `SELECT DISTINCT s.${column}::text AS path ${restored}`;
      for (const row of await session.rows(sql, `reading the files that ${table} names`)) paths.add(row["path"] ?? "");
    }
  }
  const doing = "reading the names that files had";
  const isCopy = await session.value("SELECT to_regclass($1) IS NOT NULL", doing, [staging.paths]);
  if (isCopy !== "t") {
    const shared = await listShared(session, restoreId, columns, paths);
    return [...paths].map((path) => ({ path, source: path, ...(shared.has(path) ? { isShared: true } : {}) }));
  }
  const known = await session.rows(`SELECT old AS source, new AS path FROM ${staging.paths}`, doing);
  return known.flatMap(({ source, path }) => (source && path && paths.has(path) ? [{ path, source }] : []));
}

/** A row may name any path, another organization's file as well; what that one's rows name is not ours to write over. */
async function listShared(
  session: RestoreSession,
  restoreId: string,
  columns: readonly MediaColumn[],
  paths: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const shared = new Set<string>();
  if (paths.size === 0) return shared;
  const asNamed = [...paths].flatMap((path) => [path, path.startsWith("/") ? path.slice(1) : `/${path}`]);
  for (const { table, names, predicate } of await readShownTables(session, restoreId)) {
    for (const media of columns) {
      if (media.table !== table || !names.includes(media.column)) continue;
      const column = columnOf("t", media.column);
      const sql = `SELECT DISTINCT ${column}::text AS path FROM ${quoteTable(table)} AS t WHERE ${column}::text = ANY ($1) AND (${predicate}) IS NOT TRUE`;
      for (const { path } of await session.rows(sql, `looking for others who name files of ${table}`, [asNamed])) {
        const bare = (path ?? "").replace(/^\//, "");
        for (const each of [bare, `/${bare}`]) shared.add(each);
      }
    }
  }
  return shared;
}

/** A row of which only a reference is set again names its own file, not the backup's. */
async function withoutLoose(session: RestoreSession, l: string, key: readonly string[]): Promise<string> {
  if ((await session.value("SELECT to_regclass($1) IS NOT NULL", "looking for rows that were cut loose", [l])) !== "t")
    return "";
  const matches = key.map((name) => `${columnOf("l", name)} = ${columnOf("s", name)}`).join(" AND ");
  return ` AND NOT EXISTS (SELECT 1 FROM ${l} AS l WHERE ${matches})`;
}

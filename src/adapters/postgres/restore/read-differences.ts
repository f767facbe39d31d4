// Pages of the difference, old and new side by side. Of rows that another organization holds, nothing is shown but that
// they are taken.
import { columnOf, columnsOf, imageDiffers } from "../../../domain/restore/row-sql.ts";
import { quoteLiteral, quoteTable } from "../../../domain/sql-quoting.ts";
import type { DifferencePage, DifferenceRow, RestoreTarget } from "../../../ports/restore-target.ts";
import { stagingOf } from "./restore-context.ts";
import type { RestoreSession, Row } from "./restore-session.ts";
import { readShownTables, type ShownTable } from "./stage.ts";

type Page = Parameters<RestoreTarget["readDifferences"]>[1];

export async function readDifferences(session: RestoreSession, restoreId: string, page: Page): Promise<DifferencePage> {
  const staging = stagingOf(restoreId);
  const rows: DifferenceRow[] = [];
  for (const shown of await readShownTables(session, restoreId)) {
    if (page.table !== null && page.table !== shown.table) continue;
    const d = staging.table("d", shown.number);
    const compared = await session.value("SELECT to_regclass($1) IS NOT NULL", "looking at the difference", [d]);
    if (compared !== "t") continue;
    const sql =
      shown.key.length === 0
        ? wholeRowsSql(shown, d, staging.table("s", shown.number))
        : keyedRowsSql(shown, d, staging.table("s", shown.number));
    const kind = page.kind === null ? "" : ` AND d.kind = ${quoteLiteral(page.kind)}`;
    const undecided =
      page.undecidedOnly === true
        ? ` AND EXISTS (SELECT 1 FROM wedsync_restore.conflicts AS c WHERE c.restore_id = ${quoteLiteral(restoreId)} AND c.number = d.number AND c.decision IS NULL)`
        : "";
    const found = await session.rows(
      `${sql} WHERE d.number > $1${kind}${undecided} ORDER BY d.number LIMIT $2`,
      `reading the difference of ${shown.table}`,
      [page.after, page.limit + 1],
    );
    rows.push(...found.map((row) => describeRow(shown, row)));
  }
  rows.sort((a, b) => a.number - b.number);
  const shownRows = rows.slice(0, page.limit);
  return { rows: shownRows, next: rows.length > page.limit ? (shownRows.at(-1)?.number ?? null) : null };
}

const texts = (alias: string, names: readonly string[]): string =>
  `to_json(ARRAY[${names.map((name) => `${columnOf(alias, name)}::text`).join(", ")}]::text[])`;

function keyedRowsSql({ table, key, names, predicate }: ShownTable, d: string, s: string): string {
  const matches = (alias: string): string =>
    key.map((name, index) => `${columnOf(alias, name)} = d.k${index + 1}`).join(" AND ");
  const first = key[0] as string;
  const differs = names.map((name) => imageDiffers("s", "t", [name]));
  return (
    `SELECT d.number::text AS number, d.kind, to_json(ARRAY[${key.map((_, index) => `d.k${index + 1}::text`).join(", ")}]::text[]) AS key, ` +
    `CASE WHEN ${columnOf("s", first)} IS NOT NULL THEN ${texts("s", names)} END AS backup, CASE WHEN ${columnOf("t", first)} IS NOT NULL THEN ${texts("t", names)} END AS live, ` +
    `to_json(ARRAY[${differs.join(", ")}]) AS differs FROM ${d} AS d LEFT JOIN ${s} AS s ON ${matches("s")} LEFT JOIN ${quoteTable(table)} AS t ON ${matches("t")} AND ${predicate}`
  );
}

function wholeRowsSql({ table, names, predicate }: ShownTable, d: string, s: string): string {
  const sample = (from: string, alias: string, where: string): string =>
    `(SELECT ${texts(alias, names)} FROM ${from} AS ${alias} WHERE ROW(${columnsOf(alias, names)})::text = d.row_text${where} LIMIT 1)`;
  return (
    `SELECT d.number::text AS number, d.kind, d.copies::text AS copies, CASE WHEN d.kind = 'missing' THEN ${sample(s, "s", "")} END AS backup, ` +
    `CASE WHEN d.kind = 'live only' THEN ${sample(quoteTable(table), "t", ` AND ${predicate}`)} END AS live FROM ${d} AS d`
  );
}

function describeRow({ table, key, names }: ShownTable, row: Row): DifferenceRow {
  const values = (text: string | null | undefined, of: readonly string[]): Record<string, string | null> | null => {
    if (text === null || text === undefined) return null;
    const list = JSON.parse(text) as (string | null)[];
    return Object.fromEntries(of.map((name, index) => [name, list[index] ?? null]));
  };
  const [backup, live] = [values(row["backup"], names), values(row["live"], names)];
  const flags =
    row["differs"] === undefined || row["differs"] === null ? [] : (JSON.parse(row["differs"]) as boolean[]);
  return {
    number: Number(row["number"]),
    table,
    kind: row["kind"] as DifferenceRow["kind"],
    key: key.length === 0 ? { copies: row["copies"] ?? "1" } : (values(row["key"], key) as Record<string, string>),
    backup,
    live,
    differs: backup === null || live === null ? [] : names.filter((_, index) => flags[index] === true),
  };
}

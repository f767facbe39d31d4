// Writes prepared parts into live tables, inside the caller's transaction. Used by apply and rollback. In which order, and
// who checks, depends on the mode: see write-context.ts.
import { BackupError } from "../../../domain/errors.ts";
import { countSwept } from "../../../domain/restore/proof-sql.ts";
import { restoredColumns } from "../../../domain/restore/row-sql.ts";
import {
  createParked,
  deleteParked,
  deleteRows,
  deleteWholeRows,
  fillPostponed,
  insertParked,
  insertRows,
  insertWholeRows,
  updateRows,
} from "../../../domain/restore/write-sql.ts";
import { quoteLiteral } from "../../../domain/sql-quoting.ts";
import type { WriteContext } from "./write-context.ts";
import { expectRows, type WritePart } from "./write-part.ts";

/** Children first for deletions, parents first for the rest. `parts` come parents first. @throws RestoreInvalid */
export async function writeParts(context: WriteContext, parts: readonly WritePart[]): Promise<void> {
  await (context.mode === "replica" ? writeUnchecked(context, parts) : writeChecked(context, parts));
}

/** In replica mode: what goes leaves its values behind at once, and parked rows are away while others get theirs. */
async function writeUnchecked(context: WriteContext, parts: readonly WritePart[]): Promise<void> {
  for (const part of parts.toReversed()) await removeRows(context, part);
  for (const part of parts) {
    if (part.table.key.length === 0) {
      await insertWhole(context, part);
      continue;
    }
    const isParked = part.parked > 0;
    if (isParked) {
      await takeParkedOut(context, part);
      if (part.updated > part.parked) await updatePart(context, part, part.updated - part.parked);
    }
    await insertPart(context, part, []);
    if (isParked) await putParkedBack(context, part);
    else if (part.updated > 0) await updatePart(context, part, part.updated);
  }
}

/** In origin mode: each statement must leave what the database checks at once in order, and must sweep nothing along. */
async function writeChecked(context: WriteContext, parts: readonly WritePart[]): Promise<void> {
  const { session, staging } = context;
  const postponed = new Map(parts.map((part) => [part, findPostponed(context, part, parts)]));
  for (const part of parts) {
    if (part.table.key.length === 0) await insertWhole(context, part);
    else await insertPart(context, part, postponed.get(part) ?? []);
  }
  for (const part of parts) {
    const columns = postponed.get(part) ?? [];
    if (columns.length > 0 && part.inserted > 0)
      await session.execute(fillPostponed(staging, part.table, columns), `linking ${part.table.table}`);
    if (part.updated > 0) await refuseSwept(context, part, parts, "update");
    if (part.updated > 0) await updatePart(context, part, part.updated);
  }
  for (const part of parts.toReversed()) {
    if (part.deleted > 0) await refuseSwept(context, part, parts, "delete");
    await removeRows(context, part);
  }
}

/** References into tables that are written later, or in a circle: NULL first. Deferrable ones wait by themselves. */
function findPostponed({ facts }: WriteContext, part: WritePart, parts: readonly WritePart[]): readonly string[] {
  if (part.inserted === 0) return [];
  const position = parts.indexOf(part);
  return facts.foreignKeys
    .filter((key) => key.rootTable === part.table.table && !key.deferrable)
    .filter((key) => parts.findIndex((each) => each.table.table === key.referencedTable) > position)
    .flatMap((key) => key.columns)
    .filter((name) => part.table.live.columns.find((column) => column.name === name)?.notNull === false);
}

/**
 * ON DELETE CASCADE, SET NULL and SET DEFAULT (and their ON UPDATE kin) write rows that no undo log holds, of tables that
 * nobody chose, maybe of another organization: nothing of the kind may happen on the side.
 */
async function refuseSwept(
  { session, staging, facts }: WriteContext,
  part: WritePart,
  parts: readonly WritePart[],
  by: "delete" | "update",
): Promise<void> {
  const { table, changed } = part;
  if (table.key.length === 0) return;
  for (const key of facts.foreignKeys) {
    if (key.referencedTable !== table.table) continue;
    if (by === "update" && !key.referencedColumns.some((name) => changed.includes(name))) continue;
    const child = parts.find((each) => each.table.table === key.rootTable)?.table ?? null;
    const sql = countSwept(staging, table, key, child, by);
    const swept = await session.count(sql, `looking for rows that need ${table.table}`);
    if (swept === 0) continue;
    throw new BackupError(
      "RestoreInvalid",
      `Foreign key ${key.name}: ${swept} rows of ${key.table} still need rows of ${table.table} that would ${by === "delete" ? "go" : "change"}; keep rows that exist only live, or restore both. Nothing was committed.`,
      { table: key.table, constraint: key.name },
    );
  }
}

async function removeRows({ session, staging, restoreId }: WriteContext, part: WritePart): Promise<void> {
  if (part.deleted === 0) return;
  const { table } = part;
  const sql =
    table.key.length === 0
      ? deleteWholeRows(staging, table, restoreId, quoteLiteral(table.table))
      : deleteRows(staging, table);
  expectRows(part, part.deleted, await session.execute(sql, `removing rows of ${table.table}`));
}

async function insertWhole({ session, staging, restoreId }: WriteContext, part: WritePart): Promise<void> {
  if (part.inserted === 0) return;
  const { table } = part;
  const sql = insertWholeRows(staging, table, restoreId, quoteLiteral(table.table));
  expectRows(part, part.inserted, await session.execute(sql, `writing ${table.table}`));
}

async function insertPart(
  { session, staging }: WriteContext,
  part: WritePart,
  postponed: readonly string[],
): Promise<void> {
  if (part.inserted === 0) return;
  const { table } = part;
  const sql = insertRows(staging, table, postponed, part.insertsAll);
  expectRows(part, part.inserted, await session.execute(sql, `writing ${table.table}`));
}

async function takeParkedOut({ session, staging }: WriteContext, part: WritePart): Promise<void> {
  const { table } = part;
  const doing = `writing ${table.table}`;
  for (const sql of createParked(staging, table)) await session.execute(sql, doing);
  expectRows(part, part.parked, await session.execute(deleteParked(staging, table), doing));
}

async function putParkedBack({ session, staging }: WriteContext, part: WritePart): Promise<void> {
  const { table } = part;
  expectRows(part, part.parked, await session.execute(insertParked(staging, table), `writing ${table.table}`));
}

async function updatePart({ session, staging, mode }: WriteContext, part: WritePart, expected: number): Promise<void> {
  const identities = new Set(
    restoredColumns(part.table)
      .filter((column) => column.identityAlways)
      .map((column) => column.name),
  );
  const names = part.changed.filter((name) => !identities.has(name));
  if (names.length === 0) return;
  const sql = updateRows(staging, part.table, names, mode === "origin");
  expectRows(part, expected, await session.execute(sql, `writing ${part.table.table}`));
}

// Proofs before the commit. Each failure is named; the transaction is rolled back by whoever called.
import { BackupError } from "../../../domain/errors.ts";
import {
  countLeftBehind,
  countNewerChildren,
  countOrphans,
  countRows,
  countStagedOrphans,
  countStrayInserts,
  countStrayRows,
  countUnremovedRows,
  lockParents,
  removedReferences,
  type LiveForeignKey,
} from "../../../domain/restore/proof-sql.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { proveDeferredConstraints } from "./prove-deferred-constraints.ts";
import { RestoreSession } from "./restore-session.ts";
import type { WriteContext } from "./write-context.ts";
import type { WritePart } from "./write-part.ts";

export interface ProofInput {
  readonly context: WriteContext;
  readonly parts: readonly WritePart[];
  readonly liveRowsBefore: (table: RestoreTable) => number;
  readonly url: string;
}

/** @returns what was proven, for people. @throws RestoreInvalid, RestoreTargetBusy */
export async function proveWrites(input: ProofInput): Promise<readonly string[]> {
  const { context, parts } = input;
  for (const part of parts) await proveRows(input, part);
  const rows = parts.reduce((sum, part) => sum + part.inserted + part.updated + part.deleted, 0);
  const proofs = [`images of ${rows} written rows`, `row counts of ${parts.length} tables`];
  const keys = await proveForeignKeys(input);
  proofs.push(`${keys} foreign keys of ${parts.length} tables`);
  const deferred = context.mode === "replica" ? await proveDeferredConstraints(context, parts, input.url) : 0;
  if (deferred > 0) proofs.push(`${deferred} deferrable unique and exclusion constraints`);
  return proofs;
}

async function proveRows({ context, liveRowsBefore }: ProofInput, part: WritePart): Promise<void> {
  const { session, staging, mode } = context;
  const { table } = part;
  const doing = `proving ${table.table}`;
  const invalid = (message: string): BackupError =>
    new BackupError("RestoreInvalid", `${table.table}: ${message}; nothing was committed.`, { table: table.table });
  if (table.key.length > 0) {
    const stray = await session.count(
      part.insertsAll ? countStrayInserts(staging, table) : countStrayRows(staging, table),
      doing,
    );
    if (stray > 0)
      throw invalid(
        `${stray} rows are not what was written, or not the organization's${mode === "origin" ? "; a trigger of the table changes them: GRANT SET ON PARAMETER session_replication_role to the restoring role, so that triggers rest" : ""}`,
      );
    const unremoved = part.deleted === 0 ? 0 : await session.count(countUnremovedRows(staging, table), doing);
    if (unremoved > 0) throw invalid(`${unremoved} removed rows are still there`);
  }
  const expected = liveRowsBefore(table) + part.inserted - part.deleted;
  const rows = await session.count(countRows(table), doing);
  if (rows !== expected) throw invalid(`the organization has ${rows} rows where ${expected} were expected`);
}

async function proveForeignKeys({ context, parts, url }: ProofInput): Promise<number> {
  const { session, staging, facts, mode } = context;
  const byTable = new Map(parts.map((part) => [part.table.table, part]));
  let proven = 0;
  const removed: { key: LiveForeignKey; parent: WritePart }[] = [];
  for (const key of facts.foreignKeys) {
    const doing = `proving the foreign key ${key.name}`;
    const child = byTable.get(key.rootTable);
    const parent = byTable.get(key.referencedTable);
    const childTouched =
      child !== undefined && (child.inserted > 0 || key.columns.some((name) => child.changed.includes(name)));
    const parentTouched =
      parent !== undefined &&
      (parent.deleted > 0 || key.referencedColumns.some((name) => parent.changed.includes(name)));
    if (childTouched || parentTouched) proven += 1;
    if (childTouched && !(await holdsAmongStaged(context, child, parent, key))) {
      if (mode === "replica" && key.mayLockParent)
        await session.execute(lockParents(staging, child.table, key, child.insertsAll), doing);
      const orphans = await session.count(countOrphans(staging, child.table, key, child.insertsAll), doing);
      if (orphans > 0)
        throw broken(
          key,
          `${orphans} rows of ${key.table} would refer to rows of ${key.referencedTable} that are not there; restore both`,
        );
    }
    if (parentTouched && parent.table.key.length > 0) {
      const left = await session.count(countLeftBehind(staging, parent.table, key), doing);
      if (left > 0)
        throw broken(
          key,
          `${left} rows of ${key.table} still need rows of ${key.referencedTable} that would go; keep rows that exist only live, or restore both`,
        );
      if (mode === "replica") removed.push({ key, parent });
    }
  }
  if (removed.length > 0) await refuseNewerChildren(context, removed, url);
  return proven;
}

/** Both ends were written by this restore, whole: nobody else has seen the parents, so none can be removed meanwhile. */
async function holdsAmongStaged(
  { session, staging }: WriteContext,
  child: WritePart,
  parent: WritePart | undefined,
  key: LiveForeignKey,
): Promise<boolean> {
  if (!child.insertsAll || parent?.insertsAll !== true) return false;
  const sql = countStagedOrphans(staging, child.table, parent.table, key);
  return sql !== null && (await session.count(sql, `proving the foreign key ${key.name}`)) === 0;
}

const broken = (key: LiveForeignKey, message: string): BackupError =>
  new BackupError("RestoreInvalid", `Foreign key ${key.name}: ${message}. Nothing was committed.`, {
    table: key.table,
    constraint: key.name,
  });

/**
 * A child that was committed after this transaction's snapshot is invisible to it, and no trigger of ours looks for it.
 * From the deletion on no new one can come (it would wait for our lock), so another session sees them all.
 */
async function refuseNewerChildren(
  { session, staging, liveSchema }: WriteContext,
  removed: readonly { key: LiveForeignKey; parent: WritePart }[],
  url: string,
): Promise<void> {
  const snapshot = (await session.value("SELECT pg_current_snapshot()", "looking for newer rows")) ?? "";
  const other = await RestoreSession.open(url);
  try {
    await other.setSearchPath(liveSchema.extensions.map((extension) => extension.schema));
    for (const { key, parent } of removed) {
      const doing = `looking for newer rows of ${key.table}`;
      const [row] = await session.rows(removedReferences(staging, parent.table, key), doing);
      const values = key.referencedColumns.map((_, index) => row?.[`r${index + 1}`] ?? null);
      if (values.some((value) => value === null)) continue;
      const types = key.referencedColumns.map(
        (name) => parent.table.live.columns.find((column) => column.name === name)?.type ?? "text",
      );
      const newer = Number((await other.value(countNewerChildren(key, types, snapshot), doing, values)) ?? 0);
      if (newer > 0)
        throw new BackupError(
          "RestoreTargetBusy",
          `${newer} rows of ${key.table} were made while the rows that they need were being removed; nothing was committed.`,
          { table: key.table },
        );
    }
  } finally {
    await other.close();
  }
}

// Chooses the rows of single records by letting the backup's tables pass by: dependants until none is new, then parents
// that are missing live, and their parents.
import { BackupError } from "../../../domain/errors.ts";
import { escapeCopyText, unescapeCopyText } from "../../../domain/copy-text.ts";
import type { ClosureEdge } from "../../../domain/restore/closure-edges.ts";
import { RecordClosure } from "../../../domain/restore/record-closure.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { columnOf, keyNames, liveTable } from "../../../domain/restore/row-sql.ts";
import type { StagingKind } from "../../../domain/restore/staging-names.ts";
import type { BackupTable } from "../../../ports/restore-target.ts";
import type { RestoreContext } from "./restore-context.ts";
import { KeptRows, takeDependants, type KeptLines } from "./take-dependants.ts";
import { rowsInQuestion, type PassingRow } from "./rows-in-question.ts";

export interface SelectedRecords {
  readonly closure: RecordClosure;
  /** Rows that were taken, by table; null when they are too many. */
  readonly kept: KeptLines | null;
}

/** Null where whole tables are restored. @throws UsageInvalid for a record that the backup does not have. */
export async function selectRecords(context: RestoreContext): Promise<SelectedRecords | null> {
  const { plan, input } = context;
  const { records } = input.selection;
  if (records === null) return null;
  const sources = plan.tables.map(({ table }) => sourceOf(context, table));
  const closure = new RecordClosure(input.backup.schema, sources, input.catalogue);
  for (const [index, { table, key }] of records.entries())
    closure.choose(table, await canonicalKey(context, table, key, index + 1), index + 1);
  const kept = new KeptRows();
  await takeDependants(sources, closure, kept);
  const number = closure.missingRecord;
  if (number !== null)
    throw new BackupError(
      "UsageInvalid",
      `The backup has no record ${number} of those that were chosen (${records[number - 1]?.table}).`,
    );
  await takeParents(context, closure, kept);
  return { closure, kept: kept.rows };
}

const sourceOf = ({ input }: RestoreContext, table: string): BackupTable =>
  input.backup.tables.find((each) => each.table === table) as BackupTable;

/** As the database prints it: "A0EE…" and "a0ee…" are one uuid. The key may be personal, and stays out of messages. */
async function canonicalKey(
  { session, input, plan }: RestoreContext,
  table: string,
  key: readonly string[],
  number: number,
): Promise<readonly string[]> {
  const description = input.backup.schema.tables.find((each) => each.name === table);
  const names = description?.primaryKey ?? [];
  const refuse = (why: string): BackupError =>
    new BackupError("UsageInvalid", `Record ${number} of those that were chosen (${table}): ${why}.`);
  if (!plan.tables.some((each) => each.table === table)) throw refuse("its table is not among the chosen ones");
  if (names.length === 0) throw refuse("its table has no primary key to choose a record by");
  if (names.length !== key.length) throw refuse(`its key has ${names.length} parts: ${names.join(", ")}`);
  const canonical: string[] = [];
  for (const [index, name] of names.entries()) {
    const type = description?.columns.find((column) => column.name === name)?.type ?? "text";
    await session.execute("SAVEPOINT key", "reading a key");
    try {
      const value = await session.value(`SELECT $1::text::${type}::text`, "reading a key", [key[index]]);
      canonical.push(escapeCopyText(value ?? ""));
    } catch (error) {
      if (error instanceof BackupError && error.code === "RestoreTargetUnreachable") throw error;
      throw refuse(`${name} is no ${type}`);
    }
    await session.execute("RELEASE SAVEPOINT key", "reading a key");
  }
  return canonical;
}

async function takeParents(context: RestoreContext, closure: RecordClosure, kept: KeptRows): Promise<void> {
  for (let open = closure.takeWanted(); open.length > 0; open = closure.takeWanted()) {
    for (const { edge, values } of open) {
      const missing = await findMissing(context, edge, values);
      if (missing.size === 0) continue;
      const { table, columns, readRows } = sourceOf(context, edge.parent);
      for await (const { line, fields } of rowsInQuestion(readRows(), columns, closure.soughtParents(edge, missing)))
        if (closure.takeParent(edge, missing, fields)) kept.keep(table, line);
    }
  }
}

async function findMissing(
  { session, plan }: RestoreContext,
  { parent, referencedColumns }: ClosureEdge,
  values: readonly string[],
): Promise<ReadonlySet<string>> {
  const table = plan.tables.find((each) => each.table === parent) as RestoreTable;
  const columns = referencedColumns.map((name) => table.columns.find((column) => column.backupName === name));
  if (columns.some((column) => column === undefined || column.liveType === null)) return new Set(values);
  const tuples = values.map((value) => value.split("\t").map(unescapeCopyText));
  const lists = columns.map((column, index) => `$${index + 1}::text[]::${column?.liveType ?? "text"}[]`);
  const names = columns.map((_, index) => `v${index + 1}`);
  const matches = columns.map((column, index) => `${columnOf("t", column?.name ?? "")} = n.v${index + 1}`);
  const rows = await session.rows(
    `SELECT n.position::text AS position FROM unnest(${lists.join(", ")}) WITH ORDINALITY AS n(${names.join(", ")}, position) ` +
      `WHERE NOT EXISTS (SELECT 1 FROM ${liveTable(table)} AS t WHERE ${matches.join(" AND ")} AND ${table.predicate("t")})`,
    `looking for rows of ${parent}`,
    columns.map((_, index) => tuples.map((tuple) => tuple[index])),
  );
  return new Set(rows.map((row) => values[Number(row["position"]) - 1] as string));
}

/** The rows that come back, as COPY text. `onNeeded` gets those that come back only if they are missing. */
export async function* filterRows(
  { closure, kept }: SelectedRecords,
  source: BackupTable,
  kind: StagingKind,
  onRow: (fate: "chosen" | "needed", fields: readonly string[]) => void,
): AsyncGenerator<Buffer> {
  const { table, columns, readRows } = source;
  if (closure.isUntouched(table)) return;
  const isKept = kind === "s" && kept !== null; // a merge's base is another backup
  const passing = isKept
    ? keptRows(kept.linesOf(table, "chosen"))
    : rowsInQuestion(readRows(), columns, closure.sought(table));
  for await (const { line, fields } of passing) {
    const fate = closure.fateOf(table, columns, fields);
    if (fate === null) continue;
    onRow(fate, fields);
    yield Buffer.from(`${line}\n`);
  }
}

/** The rows that were cut loose, as COPY text of the columns of l. */
export async function* looseRows(
  { closure, kept }: SelectedRecords,
  { table, columns, readRows }: BackupTable,
  narrowed: RestoreTable,
  onRow: () => void,
): AsyncGenerator<Buffer> {
  const passing =
    kept === null ? rowsInQuestion(readRows(), columns, closure.sought(table)) : keptRows(kept.linesOf(table, "loose"));
  for await (const { fields } of passing) {
    const loose = closure.looseColumns(table, fields);
    if (loose === null) continue;
    onRow();
    const values = narrowed.columns.map(({ name, backupName }) =>
      narrowed.key.includes(name) || loose.includes(backupName) ? fields[columns.indexOf(backupName)] : "\\N",
    );
    yield Buffer.from(`${values.join("\t")}\n`);
  }
}

function* keptRows(lines: readonly string[]): Generator<PassingRow> {
  for (const line of lines) yield { line, fields: line.split("\t") };
}

/** The live keys of rows that come back only if they are missing, as a working table beside the staged rows. */
export async function keepNeeded(
  { session, staging }: RestoreContext,
  table: RestoreTable,
  needed: readonly (readonly string[])[],
): Promise<void> {
  if (table.key.length === 0) return;
  const doing = `choosing rows of ${table.table}`;
  const o = staging.table("o", table.number);
  const positions = table.key.map((name) => table.columns.findIndex((column) => column.name === name));
  const names = keyNames(table).map((name, index) => `${columnOf("s", table.key[index] as string)} AS ${name}`);
  await session.execute(
    `CREATE UNLOGGED TABLE ${o} AS SELECT ${names.join(", ")} FROM ${staging.table("s", table.number)} AS s WITH NO DATA`,
    doing,
  );
  const lists = positions.map((at, index) => `$${index + 1}::text[]::${table.columns[at]?.liveType ?? "text"}[]`);
  const values = positions.map((at) => needed.map((fields) => unescapeCopyText(fields[at] ?? "")));
  await session.execute(`INSERT INTO ${o} SELECT * FROM unnest(${lists.join(", ")})`, doing, values);
}

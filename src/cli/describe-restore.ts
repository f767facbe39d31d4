// A restore in words and tables, for people.
import type { RestoreRow } from "../control/restores.ts";
import type { TableDifference } from "../domain/restore-request.ts";
import type { ChosenBackup, RestoreOutcome, RollbackOutcome } from "../domain/restore-run.ts";
import type { DifferenceRow } from "../ports/restore-target.ts";
import { number, seconds, table } from "./output.ts";
import { printable } from "./printable.ts";

const longest = 60;

export function describeDifferences(differences: readonly TableDifference[]): string {
  const telling = differences.filter((each) => each.missing + each.changed + each.liveOnly + each.taken > 0);
  const sum = (kind: Exclude<keyof TableDifference, "table" | "undecided">): string =>
    number(differences.reduce((total, each) => total + each[kind], 0));
  if (telling.length === 0) return `No difference: ${sum("same")} rows are as they were.`;
  const row = (each: TableDifference): string[] => [
    each.table,
    number(each.missing),
    number(each.changed),
    number(each.same),
    number(each.liveOnly),
    number(each.taken),
  ];
  return table(["table", "missing", "changed", "same", "only live", "key taken"], telling.map(row), [
    `${differences.length} tables`,
    sum("missing"),
    sum("changed"),
    sum("same"),
    sum("liveOnly"),
    sum("taken"),
  ]);
}

export const describeBackup = (backup: ChosenBackup): string =>
  `from backup ${backup.sequence}, as of ${backup.takenAt.slice(0, 19).replace("T", " ")} UTC (${number(backup.rows)} rows)${backup.complete ? "" : "; it is INCOMPLETE: files were missing when it was made"}`;

/** Old and new side by side. Values are data of the organization: for its admin's terminal only. */
/** `masked`: columns of which only whether they differ is told. */
export function describeRow(row: DifferenceRow, masked: ReadonlySet<string> = new Set()): string {
  const tell = (column: string, value: string | null): string =>
    masked.has(column) ? "(masked)" : value === null ? "NULL" : printable(value, longest);
  const key = Object.entries(row.key)
    .map(([column, value]) => `${column} = ${tell(column, value)}`)
    .join(", ");
  const head = `#${row.number} ${row.kind} in ${row.table}: ${key}`;
  const columns = row.kind === "changed" ? row.differs : Object.keys(row.backup ?? row.live ?? {});
  const cell = (side: DifferenceRow["backup"], column: string): string =>
    side === null ? "-" : tell(column, side[column] ?? null);
  if (columns.length === 0) return head;
  return `${head}\n${table(
    ["column", "backup", "live"],
    columns.map((column) => [column, cell(row.backup, column), cell(row.live, column)]),
  )}`;
}

export function describeOutcome(outcome: RestoreOutcome): string {
  const lines = [describeBackup(outcome.backup)];
  for (const entry of outcome.drift) lines.push(`schema drift: ${entry.message}`);
  if (outcome.status === "previewed")
    return [...lines, describeDifferences(outcome.differences), "Nothing was written."].join("\n");
  const changed = outcome.applied.filter((each) => each.inserted + each.updated + each.deleted > 0);
  if (changed.length > 0)
    lines.push(
      table(
        ["table", "inserted", "updated", "removed", "as they were"],
        changed.map((each) => [
          each.table,
          number(each.inserted),
          number(each.updated),
          number(each.deleted),
          number(each.unchanged),
        ]),
      ),
    );
  else lines.push("No row had to be written.");
  const { files } = outcome;
  if (files !== null && files.created + files.replaced + files.kept + files.notInBackup > 0)
    lines.push(
      `files: ${files.created} put back, ${files.replaced} replaced, ${files.same} as they were, ${files.kept} of other content kept, ${files.notInBackup} not in the backup`,
    );
  for (const proof of outcome.proofs) lines.push(`proven: ${proof}`);
  for (const { title, offending } of outcome.rules)
    if (offending > 0) lines.push(`rule broken by ${number(offending)} rows: ${title}`);
  for (const note of outcome.notes) lines.push(note);
  lines.push(`done in ${seconds(outcome.durationMs)}; rows were locked for ${seconds(outcome.lockedMs)}`);
  const before =
    outcome.preRestoreSequence === null ? "" : ` (or from backup ${outcome.preRestoreSequence}, made right before)`;
  lines.push(`take it back with: wedsync-backup rollback ${outcome.restoreId}${before}`);
  return lines.join("\n");
}

export function describeRollback({ tables, refused, files, durationMs }: RollbackOutcome): string {
  const changed = tables.filter((each) => each.inserted + each.updated + each.deleted > 0);
  const lines = [
    changed.length === 0
      ? "No row had to be written."
      : table(
          ["table", "put back", "set back", "removed"],
          changed.map((each) => [each.table, number(each.inserted), number(each.updated), number(each.deleted)]),
        ),
  ];
  if (files.removed + files.putBack + files.kept > 0)
    lines.push(
      `files: ${files.removed} removed, ${files.putBack} set back, ${files.kept} kept because they changed since`,
    );
  for (const each of refused)
    lines.push(`left as they are: ${number(each.rows)} rows of ${each.table} (${each.reason})`);
  lines.push(`rolled back in ${seconds(durationMs)}`);
  return lines.join("\n");
}

export function describeRestores(rows: readonly RestoreRow[]): string {
  if (rows.length === 0)
    return "There are no restores yet. Look at one first: wedsync-backup restore --organization ID --dry-run";
  return table(
    ["restore", "organization", "asked (UTC)", "backup", "how", "state", "rows"],
    rows.map((row) => [
      row.id,
      row.organizationId.slice(0, 8),
      row.requestedAt.slice(0, 16).replace("T", " "),
      row.backupSequence === null ? "" : String(row.backupSequence),
      row.dryRun ? "dry run" : row.strategy,
      row.status === "waiting" ? `waits for ${row.waitsFor}` : row.status.replace("_", " "),
      row.restoredRows === null ? "" : number(row.restoredRows),
    ]),
  );
}

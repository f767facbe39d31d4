// Sequences go up (or down, where they count down), never back: a value that was handed out is not handed out again. Not
// undone by a rollback, as nextval is not. Between the look and the step another session may draw values beyond; that is
// only possible where the sequence stood below the restored rows, which a live database rarely shows.
import { sequenceColumns, type SequenceColumn } from "../../../domain/restore/sequence-columns.ts";
import { quoteIdentifier, quoteTable } from "../../../domain/sql-quoting.ts";
import { BackupError } from "../../../domain/errors.ts";
import type { WriteContext } from "./write-context.ts";
import type { WritePart } from "./write-part.ts";

export async function advanceSequences(context: WriteContext, parts: readonly WritePart[]): Promise<number> {
  let advanced = 0;
  for (const part of parts) {
    if (part.inserted === 0) continue;
    for (const column of sequenceColumns(context.liveSchema, part.table.live))
      if (await advance(context, part, column)) advanced += 1;
  }
  return advanced;
}

async function advance(
  { session, staging }: WriteContext,
  { table }: WritePart,
  { column, sequence, descending }: SequenceColumn,
): Promise<boolean> {
  if (!table.columns.some((each) => each.name === column && each.liveType !== null)) return false;
  const doing = `advancing ${sequence}`;
  const name = quoteTable(sequence);
  const restored = await session.value(
    `SELECT ${descending ? "min" : "max"}(${quoteIdentifier(column)})::bigint FROM ${staging.table("s", table.number)}`,
    doing,
  );
  if (restored === null) return false;
  const readable = await session.value("SELECT has_sequence_privilege($1, 'SELECT, USAGE')", doing, [name]);
  if (readable !== "t") throw refusal(sequence);
  const comparison = descending ? "<" : ">";
  const behind = await session.value(
    `SELECT CASE WHEN is_called THEN $1::bigint ${comparison} last_value ELSE $1::bigint ${comparison}= last_value END FROM ${name}`,
    doing,
    [restored],
  );
  if (behind !== "t") return false;
  if ((await session.value("SELECT has_sequence_privilege($1, 'UPDATE')", doing, [name])) !== "t")
    throw refusal(sequence);
  await session.execute(`SELECT setval($1::regclass, $2::bigint)`, doing, [name, restored]);
  return true;
}

const refusal = (sequence: string): BackupError =>
  new BackupError(
    "RestoreTargetRefused",
    `The sequence ${sequence} stands below restored rows and must be advanced; grant the restoring role SELECT, USAGE and UPDATE on it.`,
  );

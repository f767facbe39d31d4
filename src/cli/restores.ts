// wedsync-backup restores and rollback: what was restored, what waits for people, and taking a restore back.
import {
  approveRestore,
  cancelRestore,
  decideRemainingConflicts,
  followRestore,
  followRollback,
  readRestoreProgress,
  requestRollback,
} from "../client/start-restore.ts";
import { getRestore, listRestores, type RestoreRow } from "../control/restores.ts";
import { BackupError } from "../domain/errors.ts";
import { maskDifference, maskedColumns } from "../domain/restore/mask-differences.ts";
import type { Decision } from "../domain/restore-request.ts";
import type { DifferenceRow } from "../ports/restore-target.ts";
import { cliActor } from "./actor.ts";
import { decideAtTerminal, decideFromFile, readDecisionFile } from "./decide-conflicts.ts";
import {
  describeDifferences,
  describeOutcome,
  describeRestores,
  describeRollback,
  describeRow,
} from "./describe-restore.ts";
import { bringWorker } from "./open-worker.ts";
import { usage } from "./output.ts";
import { withTarget } from "./restore.ts";
import type { Session } from "./session.ts";
import { ownTerminal } from "./terminal.ts";

export async function runListRestores(
  session: Session,
  { organization, limit }: { organization?: string; limit: string },
): Promise<number> {
  const most = Number(limit);
  if (!Number.isInteger(most) || most < 1) throw usage("--limit is a whole number from 1.");
  const filter = { ...(organization === undefined ? {} : { organizationId: organization }), limit: most };
  const rows = await listRestores(await session.control(), filter);
  session.output.result(rows, () => describeRestores(rows));
  return 0;
}

export async function runShowRestore(session: Session, id: string): Promise<number> {
  const row = await getRestore(await session.control(), id);
  session.output.result(row, () => {
    const lines = [describeRestores([row]), describeDifferences(row.differences)];
    if (row.status === "waiting") lines.push(`It waits for ${row.waitsFor} until ${row.waitsUntil}.`);
    if (row.errorCode !== null) lines.push(`${row.errorCode}: ${row.errorMessage}`);
    for (const note of [...row.drift.map((entry) => entry.message), ...row.proofs, ...row.notes]) lines.push(note);
    if (row.rollback !== null) lines.push(describeRollback(row.rollback));
    return lines.join("\n");
  });
  return 0;
}

interface RowFilter {
  readonly table?: string;
  readonly kind?: DifferenceRow["kind"];
  readonly after: string;
  readonly limit: string;
}

/** Rows of a restore that waits, page by page; masked columns masked. */
export async function runShowRows(session: Session, id: string, options: RowFilter): Promise<number> {
  const restore = await openRestore(session, id);
  const page = await withTarget(session, { restoreId: id }, (target) =>
    target.readDifferences(restore.id, {
      table: options.table ?? null,
      kind: options.kind ?? null,
      after: Number(options.after),
      limit: Math.min(1_000, Math.max(1, Number(options.limit))),
    }),
  );
  const masks = (await session.catalogue()).masks ?? [];
  const masked = { ...page, rows: page.rows.map((row) => maskDifference(row, masks)) };
  session.output.result(masked, () =>
    [
      ...page.rows.map((row) => describeRow(row, maskedColumns(row.table, masks))),
      page.next === null ? "that is all" : `more: --after ${page.next}`,
    ].join("\n\n"),
  );
  return 0;
}

export async function runApproveRestore(session: Session, id: string): Promise<number> {
  const { restoreId, organizationId, client } = await openRestore(session, id);
  await approveRestore(client, { restoreId, organizationId }, cliActor());
  const outcome = await followRestore(client, { restoreId, organizationId });
  session.output.result(outcome, () => describeOutcome(outcome));
  return 0;
}

export async function runDecideRestore(
  session: Session,
  id: string,
  options: { decisions?: string; rest?: Decision; table?: string },
): Promise<number> {
  const { restoreId, organizationId, liveOnly, client } = await openRestore(session, id);
  const restore = { restoreId, organizationId, liveOnly };
  const terminal = ownTerminal();
  const file = options.decisions === undefined ? null : await readDecisionFile(options.decisions);
  if (file === null && options.rest === undefined && (!terminal.isAnswered || session.output.json))
    throw usage("Say --decisions FILE or --rest DECISION; nobody can be asked here.");
  let undecided = (await readRestoreProgress(client, restore))?.waiting?.undecided ?? 0;
  undecided = await withTarget(session, restore, async (target) => {
    if (file !== null) return await decideFromFile(client, target, restore, file, { isAgain: false });
    return options.rest === undefined
      ? await decideAtTerminal(client, target, restore, undecided, terminal)
      : undecided;
  });
  if (options.rest !== undefined)
    ({ undecided } = await decideRemainingConflicts(client, restore, {
      table: options.table ?? null,
      decision: options.rest,
    }));
  session.output.result({ restoreId, undecided }, () =>
    undecided === 0 ? "all conflicts are decided" : `${undecided} conflicts are undecided`,
  );
  return 0;
}

export async function runCancelRestore(session: Session, id: string): Promise<number> {
  const { restoreId, organizationId, client } = await openRestore(session, id);
  await cancelRestore(client, { restoreId, organizationId });
  const ended = await followRestore(client, { restoreId, organizationId }).then(
    () => "it had ended before",
    (error: unknown) => (error instanceof BackupError ? error.message : String(error)),
  );
  session.output.result({ restoreId, ended }, () => ended);
  return 0;
}

export async function runRollback(session: Session, id: string, options: { partial?: boolean }): Promise<number> {
  const row = await getRestore(await session.control(), id);
  if (row.status !== "applied")
    throw new BackupError(
      "RestoreNotFound",
      row.status === "rolled_back"
        ? `Restore ${id} was rolled back already.`
        : `Restore ${id} was never applied (it is ${row.status}); there is nothing to roll back.`,
    );
  const client = await session.client();
  await bringWorker(session);
  const order = {
    restoreId: row.id,
    organizationId: row.organizationId,
    partial: options.partial === true,
    requestedBy: cliActor(),
  };
  await requestRollback(client, order);
  const outcome = await followRollback(client, order);
  session.output.result(outcome, () => describeRollback(outcome));
  return 0;
}

async function openRestore(session: Session, id: string) {
  const row: RestoreRow = await getRestore(await session.control(), id);
  const client = await session.client();
  await bringWorker(session);
  return { ...row, restoreId: row.id, client };
}

// wedsync-backup restore: orders a restore, shows what it would change, asks, and follows it to its end.
import type { Client } from "@temporalio/client";
import {
  approveRestore,
  cancelRestore,
  finishDryRun,
  followRestore,
  readRestoreProgress,
  requestRestore,
} from "../client/start-restore.ts";
import { createRestore, readSealedTarget } from "../control/restores.ts";
import { restoreStages, type RestoreOrder, type RestoreOutcome, type RestoreProgress } from "../domain/restore-run.ts";
import type { RestoreTarget } from "../ports/restore-target.ts";
import { cliActor } from "./actor.ts";
import { decideAtTerminal, decideFromFile, readDecisionFile, type DecisionFile } from "./decide-conflicts.ts";
import { maskedColumns } from "../domain/restore/mask-differences.ts";
import { describeBackup, describeDifferences, describeOutcome, describeRow } from "./describe-restore.ts";
import { bringWorker } from "./open-worker.ts";
import { usage } from "./output.ts";
import { readOrder, type RestoreOptions, type RestoreRequest } from "./restore-order.ts";
import { openRestoreTarget, sealRestoreTarget } from "./sealed-targets.ts";
import type { Session } from "./session.ts";
import { ownTerminal, withQuestions, type Terminal } from "./terminal.ts";

const pollMs = 200;

export async function runRestore(
  session: Session,
  options: RestoreOptions,
  terminal: Terminal = ownTerminal(),
): Promise<number> {
  const request = await readOrder(options, session.config.restoreTargetUrl);
  const { order } = request;
  const isTerminal = terminal.isAnswered && !session.output.json;
  if (!order.dryRun && order.approval === "ask" && options.wait && !isTerminal)
    throw usage("Nobody can be asked here: say --yes, look first with --dry-run, or --no-wait and approve it later.");
  const file = options.decisions === undefined ? null : await readDecisionFile(options.decisions);
  if (file !== null && order.strategy !== "prompt") throw usage("--decisions needs --conflict prompt.");
  const rows = Number(options.rows);
  if (!Number.isInteger(rows) || rows < 0) throw usage("--rows is a whole number.");

  const client = await orderRestore(session, request);
  if (!options.wait) {
    session.output.result({ restoreId: order.restoreId, organizationId: order.organizationId }, () =>
      [`ordered as restore ${order.restoreId}`, `see: wedsync-backup restores show ${order.restoreId}`].join("\n"),
    );
    return 0;
  }
  const outcome = await followToEnd(session, client, order, { file, terminal: isTerminal ? terminal : null, rows });
  session.output.result(outcome, () => describeOutcome(outcome));
  return 0;
}

/** Writes the restore's row and starts its workflow. */
export async function orderRestore(session: Session, { order, records, targetUrl }: RestoreRequest): Promise<Client> {
  const client = await session.client();
  const control = await session.control();
  await bringWorker(session);
  const targetSealed = targetUrl === null ? null : await sealRestoreTarget(session, targetUrl);
  await createRestore(control, order, { records, targetSealed });
  await requestRestore(client, order);
  return client;
}

interface Answers {
  readonly file: DecisionFile | null;
  /** Null = nobody can be asked. */
  readonly terminal: Terminal | null;
  /** How many differing rows to show of a dry run. */
  readonly rows: number;
}

export async function followToEnd(
  session: Session,
  client: Client,
  order: RestoreOrder,
  answers: Answers,
): Promise<RestoreOutcome> {
  const onInterrupt = (): void => {
    session.output.say("cancelling; once more to leave the restore to Temporal");
    void cancelRestore(client, order).catch(() => {}); // one that just ended can't be cancelled
    process.once("SIGINT", () => process.exit(130));
  };
  process.once("SIGINT", onInterrupt);
  let over = false;
  const result = followRestore(client, order).finally(() => (over = true));
  result.catch(() => {}); // awaited at the end
  try {
    let answered = "";
    while (!over) {
      const progress = await readRestoreProgress(client, order);
      if (progress !== null) {
        const { waiting } = progress;
        // Asked again is a new question.
        const question = waiting === null ? "" : `${waiting.for} ${progress.askedAgain}`;
        if (waiting !== null && question !== answered) {
          answered = question;
          await answer(session, client, order, progress, answers);
        } else if (waiting === null) session.output.progress(describeStage(progress));
      }
      await Promise.race([result.catch(() => {}), new Promise((resolve) => setTimeout(resolve, pollMs))]);
    }
  } catch (error) {
    // What stopped us must not leave a restore that waits for days.
    if (!over) await cancelRestore(client, order);
    throw error;
  } finally {
    process.removeListener("SIGINT", onInterrupt);
  }
  return await result;
}

async function answer(
  session: Session,
  client: Client,
  order: RestoreOrder,
  progress: RestoreProgress,
  { file, terminal, rows }: Answers,
): Promise<void> {
  const { output } = session;
  const { waiting, backup, differences, drift } = progress;
  if (waiting === null) return;
  if (waiting.for === "a look at the dry run") {
    if (rows > 0) await withTarget(session, order, (target) => showRows(session, target, order, rows));
    await finishDryRun(client, order);
    return;
  }
  if (progress.askedAgain === 0) {
    if (backup !== null) output.say(describeBackup(backup));
    for (const entry of drift) output.say(`schema drift: ${entry.message}`);
    if (differences !== null) output.say(describeDifferences(differences));
  } else output.say(`${waiting.undecided} rows changed after they were shown, and are asked again`);

  if (waiting.for === "decisions") {
    const left = await withTarget(session, order, async (target) => {
      if (file !== null) return await decideFromFile(client, target, order, file, { isAgain: progress.askedAgain > 0 });
      if (terminal === null) return waiting.undecided;
      return await decideAtTerminal(client, target, order, waiting.undecided, terminal);
    });
    if (left > 0)
      output.say(
        `conflicts are left undecided; the restore waits until ${waiting.until} (wedsync-backup restores decide ${order.restoreId})`,
      );
    if (left > 0 || order.approval === "given") return;
  }
  // Rows that are asked again don't take an approval back.
  if (order.approval === "given" || progress.isApproved) return;
  if (terminal !== null && (await confirm(order, terminal))) await approveRestore(client, order, cliActor());
  else await cancelRestore(client, order);
}

async function confirm({ liveOnly, targetOrganizationId }: RestoreOrder, terminal: Terminal): Promise<boolean> {
  const removed = liveOnly === "mirror" ? " Rows that exist only live are REMOVED." : "";
  const question = `\nApply this to organization ${targetOrganizationId}?${removed} [y/N] `;
  return /^y(es)?$/i.test(await withQuestions(terminal, (ask) => ask(question)));
}

async function showRows(session: Session, target: RestoreTarget, order: RestoreOrder, most: number): Promise<void> {
  let left = most;
  const masks = (await session.catalogue()).masks ?? [];
  for (let after: number | null = 0; after !== null && left > 0;) {
    const page = await target.readDifferences(order.restoreId, {
      table: null,
      kind: null,
      after,
      limit: Math.min(left, 200),
    });
    for (const row of page.rows) session.output.say(`${describeRow(row, maskedColumns(row.table, masks))}\n`);
    left -= page.rows.length;
    after = page.next;
  }
}

/** The restore's target database, read by the command itself: rows never pass through Temporal. */
export async function withTarget<T>(
  session: Session,
  { restoreId }: Pick<RestoreOrder, "restoreId">,
  work: (target: RestoreTarget) => Promise<T>,
): Promise<T> {
  const target = await openRestoreTarget(session, await readSealedTarget(await session.control(), restoreId));
  try {
    return await work(target);
  } finally {
    await target.close();
  }
}

const describeStage = ({ stage }: RestoreProgress): string =>
  `restore: ${stage} (stage ${restoreStages.indexOf(stage) + 1} of ${restoreStages.length})`;

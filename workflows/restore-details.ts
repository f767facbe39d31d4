// What an operator reads in the Temporal Web UI while a restore runs or waits, and after it.
import type { TableDifference } from "../src/domain/restore-request.ts";
import {
  restoreStages,
  type RestoreOrder,
  type RestoreOutcome,
  type RestoreProgress,
  type RestoreWait,
} from "../src/domain/restore-run.ts";

export function renderRestore(order: RestoreOrder, progress: RestoreProgress, outcome?: RestoreOutcome): string {
  const { waiting, backup } = progress;
  const lines = [headline(progress, outcome), ""];
  if (waiting !== null) lines.push(...whatToDo(order, waiting, progress.isApproved), "");
  lines.push(
    `- organization ${order.organizationId}${order.targetOrganizationId === order.organizationId ? "" : `, as ${order.targetOrganizationId}`}`,
    `- asked for by ${order.requestedBy}; where rows differ: ${order.strategy}; rows that exist only live: ${order.liveOnly}`,
  );
  if (backup !== null) lines.push(`- from backup ${backup.sequence}, which shows ${describeMoment(backup.takenAt)}`);
  for (const entry of progress.drift) lines.push(`- schema drift: ${entry.message}`);
  if (progress.askedAgain > 0)
    lines.push(`- asked again, because rows changed after they were shown: ${progress.askedAgain}`);
  if (progress.differences !== null) {
    lines.push("", ...drawDifferences(progress.differences));
    if (outcome?.status !== "applied") lines.push("", ...foretell(order, progress.differences));
  }
  if (outcome !== undefined) {
    for (const proof of outcome.proofs) lines.push(`- proven: ${proof}`);
    for (const note of outcome.notes) lines.push(`- ${note}`);
  }
  return lines.join("\n");
}

function waitsFor(waiting: RestoreWait, isApproved: boolean): string {
  if (waiting.for === "a look at the dry run") return waiting.for;
  const decisions = waiting.undecided === 1 ? "1 decision" : `${waiting.undecided} decisions`;
  if (waiting.undecided === 0) return "approval";
  return isApproved ? decisions : `${decisions} and approval`;
}

function headline({ waiting, stage, isApproved }: RestoreProgress, outcome: RestoreOutcome | undefined): string {
  if (outcome !== undefined) {
    const rows = outcome.applied.reduce((sum, table) => sum + table.inserted + table.updated + table.deleted, 0);
    return outcome.status === "previewed"
      ? "**dry run**: nothing was written"
      : `**applied**: ${rows} rows, locked for ${(outcome.lockedMs / 1000).toFixed(1)} s`;
  }
  if (waiting?.for === "a look at the dry run")
    return "**The dry run is done**: its rows can be looked at. Nobody has to act";
  if (waiting !== null) return `**Waits for people: ${waitsFor(waiting, isApproved)}**`;
  return `**${stage}** (stage ${restoreStages.indexOf(stage) + 1} of ${restoreStages.length})`;
}

/** Who opens the run and sees "Running" must learn here that it is their turn, by when, and what happens if nobody acts. */
function whatToDo(order: RestoreOrder, waiting: RestoreWait, isApproved: boolean): string[] {
  const { restoreId, dryRun, defaultDecision } = order;
  const until = `**${describeMoment(waiting.until)}**`;
  if (dryRun)
    return [
      `Look at the rows until ${until}: \`wedsync-backup restores rows ${restoreId}\``,
      "",
      "Nothing has been written, and nothing will be: this only compares. It ends by itself; the update `finishDryRun` ends it now.",
    ];
  const steps: string[] = [];
  if (waiting.undecided > 0)
    steps.push(
      `Decide ${waiting.undecided} conflicts: \`wedsync-backup restores decide ${restoreId}\` (updates \`decide\`, \`decideRest\`)`,
    );
  if (!isApproved) steps.push(`Approve it: \`wedsync-backup restores approve ${restoreId}\` (update \`approve\`)`);
  const isKept = waiting.undecided > 0 && defaultDecision !== null;
  const otherwise = !isApproved
    ? `not approved by ${until}, nothing is restored${isKept ? `; approved, but not all decided by then, “${defaultDecision}” holds for the rest` : ""}`
    : `not all decided by ${until}, ${isKept ? `“${defaultDecision}” holds for the rest` : "nothing is restored"}`;
  return [
    ...steps.map((step, index) => `${index + 1}. ${step}`),
    "",
    `Nothing of the organization has been written so far. If it is ${otherwise}.`,
  ];
}

/** The columns of the table in words: a stranger can't know whether "only live" means that a row stays or goes. */
function foretell(
  { dryRun, strategy, liveOnly }: RestoreOrder,
  differences: readonly TableDifference[],
): readonly string[] {
  const sum = (kind: "missing" | "changed" | "liveOnly" | "taken"): number =>
    differences.reduce((total, each) => total + each[kind], 0);
  const changed = {
    overwrite: "are written over by the backup's",
    skip: "stay as they are",
    merge: "are merged, column by column",
    prompt: "are decided by people, one by one or together",
  }[strategy];
  const asked = strategy === "prompt" ? "are removed where people decide so" : "are REMOVED";
  const parts: readonly (readonly [number, string])[] = [
    [sum("missing"), "missing come back"],
    [sum("changed"), `changed ${changed}`],
    [sum("liveOnly"), `that exist only live ${liveOnly === "mirror" ? asked : "stay"}`],
    [
      sum("taken"),
      "can't come back: another row has their key or a unique value, and the restore is refused with them",
    ],
  ];
  const said = parts.filter(([rows]) => rows > 0).map(([rows, what]) => `${rows} ${what}`);
  if (said.length === 0) return [];
  return [`${dryRun ? "A restore with these choices" : "This restore"}, in rows: ${said.join("; ")}.`];
}

/** 2026-06-01 14:05 UTC */
const describeMoment = (iso: string): string => `${iso.slice(0, 16).replace("T", " ")} UTC`;

/** The Web UI draws Markdown tables. Tables where nothing differs say nothing. */
function drawDifferences(differences: readonly TableDifference[]): string[] {
  const telling = differences.filter((each) => each.missing + each.changed + each.liveOnly + each.taken > 0);
  const same = differences.reduce((sum, each) => sum + each.same, 0);
  if (telling.length === 0) return [`No difference: ${same} rows are as they were.`];
  return [
    "| table | missing now | changed since | only live | key taken |",
    "|---|---|---|---|---|",
    ...telling.map(
      (each) => `| ${each.table} | ${each.missing} | ${each.changed} | ${each.liveOnly} | ${each.taken} |`,
    ),
    "",
    `${same} rows are as they were.`,
  ];
}

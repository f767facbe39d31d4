// What an operator reads in the Temporal Web UI while a restore runs or waits, and after it.
import type { TableDifference } from "../src/domain/restore-request.ts";
import {
  restoreStages,
  type RestoreOrder,
  type RestoreOutcome,
  type RestoreProgress,
} from "../src/domain/restore-run.ts";

export function renderRestore(order: RestoreOrder, progress: RestoreProgress, outcome?: RestoreOutcome): string {
  const { waiting, backup } = progress;
  const lines = [headline(progress, outcome), ""];
  if (waiting !== null) {
    lines.push(
      waiting.for === "approval"
        ? `Approve it with the update \`approve\`, in the console, or: \`wedsync-backup restores approve ${order.restoreId}\``
        : waiting.for === "decisions"
          ? `${waiting.undecided} conflicts wait for a decision (updates \`decide\`, \`decideRest\`), in the console, or: \`wedsync-backup restores decide ${order.restoreId}\``
          : "The rows can be looked at until then; the update `finishDryRun` ends it.",
      `Without an answer by **${waiting.until}**: ${withoutAnswer(order, waiting.for)}.`,
      "",
    );
  }
  lines.push(
    `- organization: ${order.organizationId}${order.targetOrganizationId === order.organizationId ? "" : `, as ${order.targetOrganizationId}`}`,
    `- asked for by: ${order.requestedBy}; strategy ${order.strategy}, rows that exist only live: ${order.liveOnly}`,
  );
  if (backup !== null) lines.push(`- backup ${backup.sequence}, of ${backup.takenAt}`);
  for (const entry of progress.drift) lines.push(`- schema drift: ${entry.message}`);
  if (progress.askedAgain > 0)
    lines.push(`- asked again, because rows changed after they were shown: ${progress.askedAgain}`);
  if (progress.differences !== null) lines.push("", ...drawDifferences(progress.differences));
  if (outcome !== undefined) {
    for (const proof of outcome.proofs) lines.push(`- proven: ${proof}`);
    for (const note of outcome.notes) lines.push(`- ${note}`);
  }
  return lines.join("\n");
}

function headline({ waiting, stage }: RestoreProgress, outcome: RestoreOutcome | undefined): string {
  if (outcome !== undefined) {
    const rows = outcome.applied.reduce((sum, table) => sum + table.inserted + table.updated + table.deleted, 0);
    return outcome.status === "previewed"
      ? "**dry run**: nothing was written"
      : `**applied**: ${rows} rows, locked for ${(outcome.lockedMs / 1000).toFixed(1)} s`;
  }
  if (waiting !== null) return `**waits for ${waiting.for}**`;
  return `**${stage}** (stage ${restoreStages.indexOf(stage) + 1} of ${restoreStages.length})`;
}

function withoutAnswer(order: RestoreOrder, waitsFor: string): string {
  if (waitsFor === "a look at the dry run") return "it ends by itself";
  if (waitsFor === "approval" || order.defaultDecision === null) return "nothing is restored";
  return `“${order.defaultDecision}” holds for what is undecided`;
}

/** The Web UI draws Markdown tables. Tables where nothing differs say nothing. */
function drawDifferences(differences: readonly TableDifference[]): string[] {
  const telling = differences.filter((each) => each.missing + each.changed + each.liveOnly + each.taken > 0);
  const same = differences.reduce((sum, each) => sum + each.same, 0);
  if (telling.length === 0) return [`No difference: ${same} rows are as they were.`];
  return [
    "| table | missing | changed | only live | key taken |",
    "|---|---|---|---|---|",
    ...telling.map(
      (each) => `| ${each.table} | ${each.missing} | ${each.changed} | ${each.liveOnly} | ${each.taken} |`,
    ),
    "",
    `${same} rows are as they were.`,
  ];
}

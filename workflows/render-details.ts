// What an operator reads in the Temporal Web UI while a backup runs, and after it.
import type { BackupOutcome, BackupRequest } from "../src/domain/backup-request.ts";
import { backupStages, type BackupProgress } from "../src/domain/progress.ts";

const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;

export function renderDetails(request: BackupRequest, progress: BackupProgress, outcome?: BackupOutcome): string {
  const place = backupStages.indexOf(progress.stage) + 1;
  const headline = outcome
    ? `**${outcome.status}** as backup ${outcome.sequence} in ${(outcome.durationMs / 1000).toFixed(1)} s, proof: ${outcome.proof}`
    : `**${progress.stage}** (stage ${place} of ${backupStages.length}), ${progress.percent} %`;
  const lines = [
    headline,
    "",
    // The Web UI shows the first few lines; the others are a scroll away.
    `- rows: ${progress.rows}; read: ${mebibytes(progress.rawBytes)}; stored: ${mebibytes(progress.storedBytes)}`,
    `- tables: ${progress.tablesDone} of ${progress.tablesTotal}; files: ${progress.filesDone} of ${progress.filesTotal}`,
    `- organization: ${request.organizationId}`,
    `- asked for by: ${request.trigger} (${request.requestedBy})`,
  ];
  if (progress.restarts > 0) lines.push(`- started again from a new snapshot: ${progress.restarts} times`);
  if (outcome && outcome.missingFiles > 0)
    lines.push(`- **files named by rows but missing at the source: ${outcome.missingFiles}**`);
  if (outcome && outcome.foreignRows > 0)
    lines.push(
      `- **rows that point at another organization's: ${outcome.foreignRows}** (the manifest names their tables)`,
    );
  return lines.join("\n");
}

// What backup runs came to, for people: what was protected, how fast, how small, how far proven.
import type { BackupOutcome } from "../domain/backup-request.ts";
import type { OrganizationNames } from "./organization-names.ts";
import { bytes, number, rate, seconds, table } from "./output.ts";
import { isFailed, type BackupRun } from "./run-results.ts";

export interface Described {
  readonly names: OrganizationNames;
  /** From the first request to the last end; runs overlap. Null: unknown. */
  readonly elapsedMs?: number;
  /** Organization → what its restore test said. */
  readonly restoreTests?: ReadonlyMap<string, string>;
}

const proofs = {
  none: "not proven",
  integrity: "sealed bytes",
  content: "read back",
  consistency: "consistent",
  restore: "restored",
} as const;
/** Below this a run's time is the time of its steps, and a rate says nothing. */
const rateFromBytes = 16 * 1024 * 1024;
const mostRows = 40;

/** Of many runs, those in trouble, and a few of the others. */
function chooseRows(runs: readonly BackupRun[]): BackupRun[] {
  const isTroubled = (run: BackupRun): boolean => isFailed(run) || run.missingFiles > 0;
  const troubled = runs.filter(isTroubled);
  return [...troubled, ...runs.filter((run) => !isTroubled(run)).slice(0, Math.max(5, mostRows - troubled.length))];
}

export function describeRuns(runs: readonly BackupRun[], { names, elapsedMs, restoreTests }: Described): string {
  const head = ["organization", "rows", "files", "data", "stored", "time", "proven"];
  if (restoreTests !== undefined) head.push("restored");
  const shown = runs.length <= mostRows ? runs : chooseRows(runs);
  const rows = shown.map((run) => {
    const label = names.get(run.organizationId) ?? run.organizationId;
    if (isFailed(run)) return [label, "", "", "", "", "", `FAILED ${run.error.code}`, ""].slice(0, head.length);
    const row = [label, number(run.rows), number(run.files), bytes(run.rawBytes), bytes(run.storedBytes)];
    row.push(seconds(run.durationMs), run.missingFiles > 0 ? `INCOMPLETE, ${proofs[run.proof]}` : proofs[run.proof]);
    if (restoreTests !== undefined) row.push(restoreTests.get(run.organizationId) ?? "");
    return row;
  });
  if (shown.length < runs.length)
    rows.push([`… and ${number(runs.length - shown.length)} more`, ...head.slice(1).map(() => "")]);
  const made = runs.filter((run): run is BackupOutcome => !isFailed(run));
  const lines = [table(head, rows, runs.length > 1 ? totalOf(made, head.length, elapsedMs) : undefined)];
  const sentence = describeSize(made, elapsedMs);
  if (sentence !== null) lines.push("", sentence);
  for (const run of runs) {
    const label = names.get(run.organizationId) ?? run.organizationId;
    if (isFailed(run)) lines.push("", `${label}: ${run.error.code}: ${run.error.message}`);
    else if (run.missingFiles > 0)
      lines.push(
        "",
        `${label}: ${number(run.missingFiles)} files that rows name were missing; see: wedsync-backup show`,
      );
  }
  return lines.join("\n");
}

const sum = (runs: readonly BackupOutcome[], of: (run: BackupOutcome) => number): number =>
  runs.reduce((total, run) => total + of(run), 0);

function totalOf(runs: readonly BackupOutcome[], width: number, elapsedMs: number | undefined): string[] {
  const figures = [sum(runs, (run) => run.rows), sum(runs, (run) => run.files)].map(number);
  const sizes = [sum(runs, (run) => run.rawBytes), sum(runs, (run) => run.storedBytes)].map(bytes);
  const time = elapsedMs === undefined ? "" : seconds(elapsedMs);
  const row = [`${number(runs.length)} organizations`, ...figures, ...sizes, time, "", ""];
  return row.slice(0, width);
}

/** How small, and how fast. */
function describeSize(runs: readonly BackupOutcome[], elapsedMs = sum(runs, (run) => run.durationMs)): string | null {
  if (runs.length === 0) return null;
  const raw = sum(runs, (run) => run.rawBytes);
  const read = raw - sum(runs, (run) => run.reusedBytes);
  const stored = sum(runs, (run) => run.storedBytes);
  if (read === 0) return `Nothing had changed: ${bytes(stored)} of manifests were stored, and no data again.`;
  const known = raw === read ? "" : ` ${bytes(raw - read)} were known from earlier backups and not stored again.`;
  const speed = read >= rateFromBytes ? `, at ${rate(read, elapsedMs)}` : "";
  return `${bytes(read)} of new data became ${bytes(stored)}, compressed and sealed${speed}.${known}`;
}

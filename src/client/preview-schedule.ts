// What a cron line means, in words and in times. A preview: Temporal's own schedule decides.
import { Cron } from "croner";
import cronstrue from "cronstrue";
import { BackupError } from "../domain/errors.ts";

export interface SchedulePreview {
  readonly words: string;
  /** ISO 8601, UTC. */
  readonly nextRuns: readonly string[];
}

/** @throws PolicyInvalid */
export function previewSchedule(cron: string, timeZone: string, count = 5): SchedulePreview {
  if (cron.trim().split(/\s+/).length !== 5)
    throw new BackupError(
      "PolicyInvalid",
      "A cron line has five fields: minute, hour, day of month, month, day of week.",
    );
  try {
    Intl.DateTimeFormat("en", { timeZone });
  } catch (error) {
    throw new BackupError(
      "PolicyInvalid",
      "That is not a time zone; write it like Europe/Paris or UTC.",
      {},
      { cause: error },
    );
  }
  try {
    const runs = new Cron(cron, { timezone: timeZone, paused: true }).nextRuns(count);
    if (runs.length === 0) throw new BackupError("PolicyInvalid", "That cron line never runs.");
    return {
      words: `${cronstrue.toString(cron, { use24HourTimeFormat: true })} (${timeZone})`,
      nextRuns: runs.map((run) => run.toISOString()),
    };
  } catch (error) {
    if (error instanceof BackupError) throw error;
    throw new BackupError(
      "PolicyInvalid",
      "That is not a cron line: minute, hour, day of month, month, day of week.",
      {},
      { cause: error },
    );
  }
}

/** The longest time between two of the next runs: what "overdue" is measured against. */
export function longestGapSeconds(cron: string, timeZone: string): number | null {
  // A year of months or two years of weekly runs; more frequent lines show their longest gap within weeks.
  const runs = previewSchedule(cron, timeZone, 120).nextRuns.map((run) => Date.parse(run));
  let longest = 0;
  for (const [index, run] of runs.entries()) longest = Math.max(longest, run - (runs[index - 1] ?? run));
  return longest === 0 ? null : Math.round(longest / 1000);
}

// --keep-… of `policy create`: the retention of a policy, from its flags.
import type { Command } from "commander";
import { BackupError } from "../domain/errors.ts";
import { findRetentionFault, retentionDefaults, type RetentionRules } from "../domain/retention.ts";

export interface RetentionOptions {
  readonly keepAll?: boolean;
  readonly keepLast?: string;
  readonly keepWithin?: string;
  readonly keepHourly?: string;
  readonly keepDaily?: string;
  readonly keepWeekly?: string;
  readonly keepMonthly?: string;
  readonly keepYearly?: string;
  readonly keepProven?: string;
  readonly keepOthers?: string;
}

export function addRetentionOptions(command: Command): Command {
  const each = (period: string): string => `the newest of each of so many ${period}`;
  return command
    .option("--keep-all", "let go of nothing (the default)")
    .option("--keep-last <count>", "the newest so many")
    .option("--keep-within <days>", "all that are younger")
    .option("--keep-hourly <count>", each("hours"))
    .option("--keep-daily <count>", each("days"))
    .option("--keep-weekly <count>", each("weeks"))
    .option("--keep-monthly <count>", each("months"))
    .option("--keep-yearly <count>", each("years"))
    .option("--keep-proven <count>", `so many proven ones, whatever else (default: ${retentionDefaults.minProven})`)
    .option("--keep-others <days>", "backups that no policy made (default: for ever)");
}

/** Undefined: nothing was said, a policy keeps the retention that it has. Null: everything is kept. @throws UsageInvalid */
export function readRetention(options: RetentionOptions): RetentionRules | null | undefined {
  const stated = {
    last: options.keepLast,
    withinDays: options.keepWithin,
    hourly: options.keepHourly,
    daily: options.keepDaily,
    weekly: options.keepWeekly,
    monthly: options.keepMonthly,
    yearly: options.keepYearly,
    minProven: options.keepProven,
    othersDays: options.keepOthers,
  };
  const given = Object.entries(stated).filter(([, text]) => text !== undefined);
  if (options.keepAll === true) {
    if (given.length > 0) throw new BackupError("UsageInvalid", "--keep-all goes with no other --keep option.");
    return null;
  }
  if (given.length === 0) return undefined;
  const numbers = Object.fromEntries(given.map(([name, text]) => [name, Number(text)]));
  const rules: RetentionRules = { ...retentionDefaults, ...numbers };
  const fault = findRetentionFault(rules);
  if (fault !== null) throw new BackupError("UsageInvalid", `The --keep options don't fit: ${fault}.`);
  return rules;
}

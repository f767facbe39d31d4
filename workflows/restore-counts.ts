// What a restore's run goes by in the differences that it was told: counts only, no rows.
import type { TableDifference } from "../src/domain/restore-request.ts";
import type { ChosenBackup } from "../src/domain/restore-run.ts";

type Differences = readonly TableDifference[];

/** Their numbers run from 1 to this. */
export const countDifferent = (differences: Differences): number =>
  differences.reduce((sum, { missing, changed, liveOnly, taken }) => sum + missing + changed + liveOnly + taken, 0);

/** A run that was compared by an older worker has no count of its own. */
export const countUndecided = (differences: Differences): number =>
  differences.reduce((sum, { undecided, changed }) => sum + (undecided ?? changed), 0);

/** False where the organization's own row would be brought back; true also where that row is not part of the restore. */
export const organizationExists = ({ rootTable }: ChosenBackup, differences: Differences): boolean =>
  differences.every((each) => each.table !== rootTable || each.missing === 0);

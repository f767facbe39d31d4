// The compliance report of one organization and period: figures from kept evidence, and recommendations, each of which says
// which figure it comes from. Pure.
import type { Evidence } from "./compliance-evidence.ts";
import { countEvidence, type ComplianceFigures } from "./compliance-figures.ts";

export interface ComplianceReport extends ComplianceFigures {
  readonly recommendations: readonly { readonly advice: string; readonly because: string }[];
}

const mostGapHours = 26;

export function writeReport(evidence: Evidence): ComplianceReport {
  const figures = countEvidence(evidence);
  return { ...figures, recommendations: recommend(figures) };
}

function recommend(figures: ComplianceFigures): ComplianceReport["recommendations"] {
  const { coverage, recoveryPoint, recoveryTime, verification, policies, retention, erasure } = figures;
  const found: { advice: string; because: string }[] = [];
  const advise = (isDue: boolean, advice: string, because: string): void => {
    if (isDue) found.push({ advice, because });
  };
  const isErased = erasure?.status === "erased";
  advise(
    erasure?.status === "incomplete",
    "End the erasure: order it again when the locks of the store have ended.",
    "an erasure left objects that the store locks",
  );
  if (isErased) return found; // there is nothing to protect any more, and nothing may begin again
  advise(
    retention.failed > 0,
    "Look into the failed runs of retention by their names.",
    `${retention.failed} of ${retention.runs} runs of retention failed: ${listCounts(retention.failuresByCode).join(", ")}`,
  );
  const active = policies.filter((policy) => !policy.paused);
  advise(
    active.length === 0,
    "Make a policy, so that backups do not depend on somebody's memory.",
    "no policy is active",
  );
  advise(coverage.backups === 0, "Back the organization up.", "the period holds no backup");
  advise(
    coverage.failed > 0,
    "Look into the failed runs by their names.",
    `${coverage.failed} of ${coverage.backups} runs failed: ${listCounts(coverage.failuresByCode).join(", ")}`,
  );
  advise(
    coverage.incomplete > 0,
    "Find the files that rows name and the media source does not have.",
    `${coverage.incomplete} backups are incomplete`,
  );
  const { longestGapHours } = recoveryPoint;
  advise(
    longestGapHours !== null && longestGapHours > mostGapHours,
    "Back up at least once a day.",
    `the longest time without a new backup was ${longestGapHours?.toFixed(1)} hours`,
  );
  advise(
    coverage.backups > 0 && recoveryTime.lastShownSeconds === null,
    "Let a restore test show that backups come back, and how fast: policy create --verify-cron, or verify --level restore.",
    "no restore test was passed in the period",
  );
  for (const { level, unproven } of verification)
    advise(
      unproven > 0,
      "Look at what could not be proven, and back up anew.",
      `${unproven} checks of level ${level} found problems`,
    );
  return found;
}

/** "ObjectMissing 2", for each. */
export const listCounts = (counts: Readonly<Record<string, number>>): readonly string[] =>
  Object.entries(counts).map(([code, times]) => `${code} ${times}`);

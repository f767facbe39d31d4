// The compliance report of one organization and period. Pure: every figure comes from kept evidence, every recommendation
// says which figure it comes from.

export interface Evidence {
  readonly organizationId: string;
  /** ISO 8601 UTC; `to` is not part of the period. */
  readonly from: string;
  readonly to: string;
  readonly jobs: readonly {
    readonly status: string;
    readonly startedAt: string;
    readonly finishedAt: string | null;
    readonly sequence: number | null;
    readonly missingFiles: number;
    readonly errorCode: string | null;
  }[];
  readonly verifications: readonly {
    readonly level: string;
    readonly proven: boolean;
    readonly finishedAt: string;
    readonly sequence: number | null;
    readonly restoreSeconds: number | null;
  }[];
  readonly restores: readonly {
    readonly status: string;
    readonly dryRun: boolean;
    readonly requestedAt: string;
    readonly restoreSeconds: number | null;
    readonly errorCode: string | null;
  }[];
  readonly policies: readonly {
    readonly name: string;
    readonly cron: string;
    readonly proof: string;
    readonly paused: boolean;
  }[];
  readonly access: readonly { readonly action: string; readonly outcome: string; readonly count: number }[];
  /** While one stands, nothing of the organization's backups is removed. */
  readonly legalHold: { readonly reason: string; readonly placedBy: string; readonly placedAt: string } | null;
  /** What was done to holds in the period; the audit log's word. */
  readonly holds: readonly {
    readonly at: string;
    readonly by: string;
    readonly what: "placed" | "changed" | "lifted";
    readonly reason: string;
  }[];
  readonly prunes: readonly {
    readonly status: string;
    readonly startedAt: string;
    /** Sequences of the backups that it let go. */
    readonly released: readonly number[];
    readonly removedPacks: number;
    readonly removedBytes: number;
    readonly errorCode: string | null;
  }[];
  /** The organization's key was wrapped by another root key. */
  readonly keyRotations: readonly { readonly at: string; readonly by: string }[];
  /** Ordered before the period's end, whenever: what was erased stays so. */
  readonly erasure: {
    readonly status: string;
    readonly requestedBy: string;
    readonly requestedAt: string;
    readonly finishedAt: string | null;
    /** Its signature; `erase --show-certificate` proves it. Null while there is none. */
    readonly certificateMac: string | null;
  } | null;
}

export interface ComplianceReport {
  readonly organizationId: string;
  readonly from: string;
  readonly to: string;
  readonly coverage: {
    readonly backups: number;
    readonly completed: number;
    readonly incomplete: number;
    readonly failed: number;
    readonly failuresByCode: Readonly<Record<string, number>>;
  };
  /** From finished backup to finished backup, and from the last one to the period's end. Null without any. */
  readonly recoveryPoint: { readonly lastBackupAt: string | null; readonly longestGapHours: number | null };
  readonly recoveryTime: { readonly lastShownSeconds: number | null; readonly slowestShownSeconds: number | null };
  readonly verification: readonly { readonly level: string; readonly proven: number; readonly unproven: number }[];
  readonly restores: {
    readonly applied: number;
    readonly rolledBack: number;
    readonly failed: number;
    readonly dryRuns: number;
  };
  readonly policies: Evidence["policies"];
  readonly access: Evidence["access"];
  readonly legalHold: Evidence["legalHold"];
  readonly holds: Evidence["holds"];
  readonly retention: {
    readonly runs: number;
    readonly failed: number;
    readonly failuresByCode: Readonly<Record<string, number>>;
    readonly releases: readonly { readonly at: string; readonly backups: readonly number[] }[];
    readonly removedPacks: number;
    readonly removedBytes: number;
  };
  readonly keyRotations: Evidence["keyRotations"];
  readonly erasure: Evidence["erasure"];
  readonly recommendations: readonly { readonly advice: string; readonly because: string }[];
}

const hourMs = 3_600_000;
const mostGapHours = 26;

export function writeReport(evidence: Evidence): ComplianceReport {
  const { organizationId, from, to, jobs, verifications, restores, policies, access, prunes } = evidence;
  const { legalHold, holds, keyRotations, erasure } = evidence;
  const count = (status: string): number => jobs.filter((job) => job.status === status).length;
  const failed = jobs.filter((job) => job.status === "failed" || job.status === "cancelled");
  const ends = jobs.flatMap((job) => (job.sequence !== null && job.finishedAt !== null ? [job.finishedAt] : [])).sort();
  const shown = verifications
    .filter((each) => each.level === "restore" && each.proven)
    .sort((a, b) => (a.finishedAt < b.finishedAt ? -1 : 1));
  const times = shown.flatMap((each) => each.restoreSeconds ?? []);
  const report: Omit<ComplianceReport, "recommendations"> = {
    organizationId,
    from,
    to,
    coverage: {
      backups: jobs.length,
      completed: count("completed"),
      incomplete: count("incomplete"),
      failed: failed.length,
      failuresByCode: countBy(failed.map((job) => job.errorCode ?? "unknown")),
    },
    recoveryPoint: { lastBackupAt: ends.at(-1) ?? null, longestGapHours: longestGap(ends, to) },
    recoveryTime: {
      lastShownSeconds: times.at(-1) ?? null,
      slowestShownSeconds: times.length === 0 ? null : Math.max(...times),
    },
    verification: [...new Set(verifications.map((each) => each.level))].sort().map((level) => {
      const ofLevel = verifications.filter((each) => each.level === level);
      const proven = ofLevel.filter((each) => each.proven).length;
      return { level, proven, unproven: ofLevel.length - proven };
    }),
    restores: {
      applied: restores.filter((each) => each.status === "applied").length,
      rolledBack: restores.filter((each) => each.status === "rolled_back").length,
      failed: restores.filter((each) => each.status === "failed").length,
      dryRuns: restores.filter((each) => each.dryRun).length,
    },
    policies,
    access,
    legalHold,
    holds,
    retention: countPrunes(prunes),
    keyRotations,
    erasure,
  };
  return { ...report, recommendations: recommend(report) };
}

function countPrunes(prunes: Evidence["prunes"]): ComplianceReport["retention"] {
  const failed = prunes.filter((each) => each.status === "failed");
  return {
    runs: prunes.length,
    failed: failed.length,
    failuresByCode: countBy(failed.map((each) => each.errorCode ?? "unknown")),
    releases: prunes.flatMap(({ startedAt, released }) =>
      released.length === 0 ? [] : [{ at: startedAt, backups: released }],
    ),
    removedPacks: prunes.reduce((sum, each) => sum + each.removedPacks, 0),
    removedBytes: prunes.reduce((sum, each) => sum + each.removedBytes, 0),
  };
}

function recommend(report: Omit<ComplianceReport, "recommendations">): ComplianceReport["recommendations"] {
  const { coverage, recoveryPoint, recoveryTime, verification, policies, retention, erasure } = report;
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

function longestGap(ends: readonly string[], to: string): number | null {
  if (ends.length === 0) return null;
  const moments = [...ends, to].map((each) => Date.parse(each));
  return Math.max(...moments.slice(1).map((moment, index) => (moment - (moments[index] as number)) / hourMs));
}

/** "ObjectMissing 2", for each. */
export const listCounts = (counts: Readonly<Record<string, number>>): readonly string[] =>
  Object.entries(counts).map(([code, times]) => `${code} ${times}`);

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

// The figures of a compliance report. Pure: every one comes from kept evidence.
import type { Evidence } from "./compliance-evidence.ts";

export interface ComplianceFigures {
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
}

const hourMs = 3_600_000;

export function countEvidence(evidence: Evidence): ComplianceFigures {
  const { organizationId, from, to, jobs, verifications, restores, policies, access, prunes } = evidence;
  const { legalHold, holds, keyRotations, erasure } = evidence;
  const count = (status: string): number => jobs.filter((job) => job.status === status).length;
  const failed = jobs.filter((job) => job.status === "failed" || job.status === "cancelled");
  const ends = jobs.flatMap((job) => (job.sequence !== null && job.finishedAt !== null ? [job.finishedAt] : [])).sort();
  const shown = verifications
    .filter((each) => each.level === "restore" && each.proven)
    .sort((a, b) => (a.finishedAt < b.finishedAt ? -1 : 1));
  const times = shown.flatMap((each) => each.restoreSeconds ?? []);
  return {
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
}

function countPrunes(prunes: Evidence["prunes"]): ComplianceFigures["retention"] {
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

function longestGap(ends: readonly string[], to: string): number | null {
  if (ends.length === 0) return null;
  const moments = [...ends, to].map((each) => Date.parse(each));
  return Math.max(...moments.slice(1).map((moment, index) => (moment - (moments[index] as number)) / hourMs));
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

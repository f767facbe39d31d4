// What the compliance report says to people, whatever it is drawn on: the terminal, a page, a PDF. The same figures as the
// JSON, in words.
import { listCounts, type ComplianceReport } from "../domain/compliance-report.ts";
import { bytes, number, seconds } from "./output.ts";

export const reportTitle = "Backup compliance report";

export interface ReportSection {
  readonly title: string;
  readonly rows: readonly (readonly [what: string, says: string])[];
}

export function describeReport(report: ComplianceReport): ReportSection[] {
  const { coverage, recoveryPoint, recoveryTime, restores, legalHold, retention, erasure } = report;
  const time = (value: number | null): string => (value === null ? "never shown" : seconds(value * 1000));
  const sections: ReportSection[] = [
    {
      title: "Organization and period",
      rows: [
        ["organization", report.organizationId],
        ["period", `${report.from.slice(0, 10)} to ${report.to.slice(0, 10)}`],
        ["backups", number(coverage.backups)],
        ["completed", number(coverage.completed)],
        ["incomplete", number(coverage.incomplete)],
        ["failed", [number(coverage.failed), ...listCounts(coverage.failuresByCode)].join(", ")],
        ["last backup", recoveryPoint.lastBackupAt ?? "none"],
        [
          "longest time without one",
          recoveryPoint.longestGapHours === null ? "-" : `${recoveryPoint.longestGapHours.toFixed(1)} hours`,
        ],
        ["recovery time, last shown", time(recoveryTime.lastShownSeconds)],
        ["recovery time, slowest shown", time(recoveryTime.slowestShownSeconds)],
        [
          "legal hold",
          legalHold === null ? "none" : `since ${legalHold.placedAt}, by ${legalHold.placedBy}: ${legalHold.reason}`,
        ],
      ],
    },
    {
      title: "Verification",
      rows: report.verification.map((each) => [each.level, `${each.proven} proven, ${each.unproven} with problems`]),
    },
    {
      title: "Restores",
      rows: [
        ["applied", number(restores.applied)],
        ["rolled back", number(restores.rolledBack)],
        ["failed", number(restores.failed)],
        ["dry runs", number(restores.dryRuns)],
      ],
    },
    {
      title: "Policies",
      rows: report.policies.map((each) => [
        each.name,
        `${each.cron}, proof ${each.proof}${each.paused ? ", paused" : ""}`,
      ]),
    },
    {
      title: "Retention",
      rows: [
        ["runs", number(retention.runs)],
        ["failed", [number(retention.failed), ...listCounts(retention.failuresByCode)].join(", ")],
        ["removed from the store", `${number(retention.removedPacks)} packs, ${bytes(retention.removedBytes)}`],
        ...retention.releases.map(
          ({ at, backups }) => [`let go, ${moment(at)}`, `backups ${backups.join(", ")}`] as const,
        ),
      ],
    },
    {
      title: "Legal holds",
      rows: report.holds.map(({ at, by, what, reason }) => [`${what}, ${moment(at)}`, `by ${by}: ${reason}`]),
    },
    {
      title: "Keys",
      rows: report.keyRotations.map(({ at, by }) => [`wrapped by a new root key, ${moment(at)}`, `by ${by}`]),
    },
    { title: "Erasure", rows: erasure === null ? [] : describeErasure(erasure) },
    { title: "Access", rows: report.access.map((each) => [`${each.action}, ${each.outcome}`, number(each.count)]) },
    { title: "Recommendations", rows: report.recommendations.map((each) => [each.advice, each.because]) },
  ];
  return sections.filter(({ rows }) => rows.length > 0);
}

const describeErasure = (erasure: NonNullable<ComplianceReport["erasure"]>): ReportSection["rows"] => [
  ["state", erasure.status],
  ["asked for", `${moment(erasure.requestedAt)}, by ${erasure.requestedBy}`],
  ["ended", erasure.finishedAt === null ? "-" : moment(erasure.finishedAt)],
  ["certificate", erasure.certificateMac === null ? "none" : `signed, ${erasure.certificateMac}`],
];

const moment = (iso: string): string => `${iso.slice(0, 16).replace("T", " ")} UTC`;

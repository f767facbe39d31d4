// wedsync-backup report: the compliance report of one organization and period, as JSON, as a page, or in the terminal.
import { writeFile } from "node:fs/promises";
import { readEvidence } from "../control/evidence.ts";
import { writeReport, type ComplianceReport } from "../domain/compliance-report.ts";
import { number, seconds, table, usage } from "./output.ts";
import type { Session } from "./session.ts";

interface ReportOptions {
  readonly organization: string;
  readonly from?: string;
  readonly to?: string;
  readonly html?: string;
}

const monthMs = 30 * 24 * 60 * 60 * 1000;

export async function runReport(session: Session, options: ReportOptions): Promise<number> {
  const to = readMoment("--to", options.to) ?? new Date();
  const from = readMoment("--from", options.from) ?? new Date(to.getTime() - monthMs);
  if (from >= to) throw usage("--from must be before --to.");
  const period = { organizationId: options.organization, from: from.toISOString(), to: to.toISOString() };
  const report = writeReport(await readEvidence(await session.control(), period));
  if (options.html !== undefined) {
    await writeFile(options.html, drawPage(report), { mode: 0o600 });
    session.output.say(`written: ${options.html}`);
  }
  session.output.result(report, () =>
    sections(report)
      .map(({ title, rows }) => `${title}\n${table(["", ""], rows)}`)
      .join("\n\n"),
  );
  return 0;
}

function readMoment(name: string, text: string | undefined): Date | null {
  if (text === undefined) return null;
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) throw usage(`${name} is a day or a moment, such as 2026-06-01.`);
  return moment;
}

function sections(report: ComplianceReport): { title: string; rows: string[][] }[] {
  const { coverage, recoveryPoint, recoveryTime, restores } = report;
  const time = (value: number | null): string => (value === null ? "never shown" : seconds(value * 1000));
  return [
    {
      title: `Organization ${report.organizationId}, ${report.from.slice(0, 10)} to ${report.to.slice(0, 10)}`,
      rows: [
        ["backups", number(coverage.backups)],
        ["completed", number(coverage.completed)],
        ["incomplete", number(coverage.incomplete)],
        ["failed", number(coverage.failed)],
        ["last backup", recoveryPoint.lastBackupAt ?? "none"],
        [
          "longest time without one",
          recoveryPoint.longestGapHours === null ? "-" : `${recoveryPoint.longestGapHours.toFixed(1)} hours`,
        ],
        ["recovery time, last shown", time(recoveryTime.lastShownSeconds)],
        ["recovery time, slowest shown", time(recoveryTime.slowestShownSeconds)],
      ],
    },
    {
      title: "Verification",
      rows: report.verification.map((each) => [each.level, `${each.proven} proven, ${each.unproven} with problems`]),
    },
    { title: "Restores", rows: Object.entries(restores).map(([name, value]) => [name, number(value)]) },
    {
      title: "Policies",
      rows: report.policies.map((each) => [
        each.name,
        `${each.cron}, proof ${each.proof}${each.paused ? ", paused" : ""}`,
      ]),
    },
    { title: "Access", rows: report.access.map((each) => [`${each.action}, ${each.outcome}`, number(each.count)]) },
    { title: "Recommendations", rows: report.recommendations.map((each) => [each.advice, each.because]) },
  ].filter(({ rows }) => rows.length > 0);
}

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** One file without scripts or links; prints well. */
function drawPage(report: ComplianceReport): string {
  const body = sections(report)
    .map(
      ({ title, rows }) =>
        `<h2>${escape(title)}</h2>\n<table>${rows.map((row) => `<tr>${row.map((cell) => `<td>${escape(cell)}</td>`).join("")}</tr>`).join("\n")}</table>`,
    )
    .join("\n");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Backup compliance report</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}td{border-bottom:1px solid #ccc;padding:.3rem .6rem;vertical-align:top}</style>
</head><body><h1>Backup compliance report</h1>
${body}
</body></html>
`;
}

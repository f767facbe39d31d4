// wedsync-backup report: the compliance report of one organization and period, as JSON, as a page or a
// PDF, or in the terminal.
import { writeFile } from "node:fs/promises";
import { readEvidence } from "../control/evidence.ts";
import { escapeHtml } from "../domain/escape-html.ts";
import { writeReport, type ComplianceReport } from "../domain/compliance-report.ts";
import { table, usage } from "./output.ts";
import { describeReport, reportTitle } from "./report-sections.ts";
import type { Session } from "./session.ts";

interface ReportOptions {
  readonly organization: string;
  readonly from?: string;
  readonly to?: string;
  readonly html?: string;
  readonly pdf?: string;
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
  if (options.pdf !== undefined) {
    const { drawPdf } = await import("./report-pdf.ts"); // its libraries are large, and every command would hold them
    await writeFile(options.pdf, await drawPdf(report), { mode: 0o600 });
    session.output.say(`written: ${options.pdf}`);
  }
  session.output.result(report, () =>
    describeReport(report)
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

/** One file without scripts or links; prints well. */
export function drawPage(report: ComplianceReport): string {
  const body = describeReport(report)
    .map(
      ({ title, rows }) =>
        `<h2>${escapeHtml(title)}</h2>\n<table>${rows.map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`).join("\n")}</table>`,
    )
    .join("\n");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${reportTitle}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}td{border-bottom:1px solid #ccc;padding:.3rem .6rem;vertical-align:top}</style>
</head><body><h1>${reportTitle}</h1>
${body}
</body></html>
`;
}

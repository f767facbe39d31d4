// Compliance reports: what the kept evidence of one organization and period says.
import { z } from "zod";
import { readEvidence } from "../../control/evidence.ts";
import { writeReport, type ComplianceReport } from "../../domain/compliance-report.ts";
import { defineEndpoint, type Call } from "../endpoint.ts";
import { organizationId, purpose } from "../input.ts";
import { ValueError } from "../problem.ts";

const moment = z.union([z.iso.date(), z.iso.datetime({ offset: true })]);
const query = z.strictObject({
  organizationId: organizationId.optional(),
  from: moment.optional().meta({ description: "Default: 30 days before the end", example: "2027-01-01" }),
  to: moment.optional().meta({ description: "Not part of the period. Default: now", example: "2027-02-01" }),
  purpose: purpose.optional(),
});

const reportSchema = z
  .object({
    organizationId: z.string(),
    from: z.string(),
    to: z.string(),
    recommendations: z.array(z.object({ advice: z.string(), because: z.string() })),
  })
  .loose()
  .meta({ id: "ComplianceReport" });

const monthMs = 30 * 24 * 3_600_000;

/** @throws ValueInvalid */
async function report(
  call: Pick<Call<undefined, typeof query, undefined>, "query" | "run" | "organizationId">,
): Promise<ComplianceReport> {
  const to = new Date(call.query.to ?? Date.now());
  const from = new Date(call.query.from ?? to.getTime() - monthMs);
  if (from >= to) throw new ValueError([{ field: "query.from", message: "must be before `to`" }]);
  const period = { organizationId: call.organizationId as string, from: from.toISOString(), to: to.toISOString() };
  return writeReport(await call.run((bound) => readEvidence(bound, period)));
}

export const readReport = defineEndpoint({
  id: "readReport",
  method: "get",
  path: "/api/admin/reports/compliance",
  action: "report.read",
  scope: "organization",
  summary: "The compliance report of an organization and period",
  query,
  success: { status: 200, description: "The report", schema: reportSchema },
  handle: async (call) => ({ status: 200, body: await report(call) }),
});

export const readReportPage = defineEndpoint({
  id: "readReportPage",
  method: "get",
  path: "/api/admin/reports/compliance.html",
  action: "report.read",
  scope: "organization",
  summary: "The same report as a page for people",
  query,
  success: { status: 200, description: "The page", contentType: "text/html" },
  handle: async (call) => ({
    status: 200,
    // The page brings its own few styles, and nothing else.
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    },
    body: call.dependencies.drawReport(await report(call)),
  }),
});

export const readReportPdf = defineEndpoint({
  id: "readReportPdf",
  method: "get",
  path: "/api/admin/reports/compliance.pdf",
  action: "report.read",
  scope: "organization",
  summary: "The same report as a PDF, to be kept or sent on",
  query,
  success: { status: 200, description: "The PDF", contentType: "application/pdf" },
  async handle(call) {
    const pdf = await call.dependencies.drawReportPdf(await report(call));
    return {
      status: 200,
      headers: {
        "Content-Type": "application/pdf",
        "Content-Length": String(pdf.length),
        "Content-Disposition": 'attachment; filename="compliance.pdf"',
      },
      stream: async (response) => void response.end(pdf),
    };
  },
});

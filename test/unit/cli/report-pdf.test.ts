// The PDF is read back as a reader copies text out of it: the same words and figures as on the other reports, every page
// numbered, no name lost.
import { expect, test } from "@jest/globals";
import { drawPdf } from "../../../src/cli/report-pdf.ts";
import { describeReport, reportTitle } from "../../../src/cli/report-sections.ts";
import { writeReport, type Evidence } from "../../../src/domain/compliance-report.ts";
import { readPdf } from "../../support/read-pdf.ts";

const evidence: Evidence = {
  organizationId: "7f6f1c1e-6f0a-4b0e-9d52-0f5f5f1b2a01",
  from: "2026-06-01T00:00:00Z",
  to: "2026-06-05T00:00:00Z",
  jobs: [
    {
      status: "failed",
      startedAt: "2026-06-02T02:00:00Z",
      finishedAt: "2026-06-02T02:10:00Z",
      sequence: null,
      missingFiles: 0,
      errorCode: "StorageFull",
    },
  ],
  verifications: [
    { level: "restore", proven: true, finishedAt: "2026-06-04T05:00:00Z", sequence: 4, restoreSeconds: 3 },
  ],
  restores: [],
  policies: [
    { name: "nächtlich, ночью, νύχτα", cron: "0 2 * * *", proof: "content", paused: false },
    { name: "花园", cron: "0 3 * * *", proof: "restore", paused: true },
  ],
  access: [],
  legalHold: { reason: "Müller ./. Château", placedBy: "ada", placedAt: "2026-06-02T00:00:00Z" },
};

const words = (text: string): string => text.replaceAll(/\s+/g, "");

const write = async (given: Evidence): Promise<string[]> => await readPdf(await drawPdf(writeReport(given)));

test("says what the other reports say, in any script of its font; what the font lacks is named", async () => {
  const pages = await write(evidence);
  const said = words(pages.join(""));
  expect(said).toContain(words(reportTitle));
  for (const { title, rows } of describeReport(writeReport(evidence)))
    for (const text of [title, ...rows.flat()])
      expect(said).toContain(words(text.replace("花", "[U+82B1]").replace("园", "[U+56ED]")));
  expect(pages).toHaveLength(1);
  expect(pages[0]).toContain("page 1 of 1");
});

test("goes on over pages: no row is lost, each page has its number, and a table its heading again", async () => {
  const access = Array.from({ length: 120 }, (_, index) => ({
    action: `action.${index}`,
    outcome: "allowed",
    count: 1_000 + index,
  }));
  const pages = await write({ ...evidence, access });
  expect(pages.length).toBeGreaterThan(2);
  const lines = pages.join("\n").split("\n");
  for (const { action } of access) expect(lines.filter((line) => line === `${action}, allowed`)).toHaveLength(1);
  for (const [index, page] of pages.entries()) expect(page).toContain(`page ${index + 1} of ${pages.length}`);
  expect(pages[1]?.startsWith("Access (continued)")).toBe(true);
});

// The PDF is read back as a reader copies text out of it: the same words and figures as on the other reports, every page
// numbered, no name lost, no character an empty box.
import { expect, test } from "@jest/globals";
import { drawPdf } from "../../../src/cli/report-pdf.ts";
import { describeReport, reportTitle } from "../../../src/cli/report-sections.ts";
import type { Evidence } from "../../../src/domain/compliance-evidence.ts";
import { writeReport } from "../../../src/domain/compliance-report.ts";
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
  holds: [{ at: "2026-06-02T00:00:00Z", by: "ada", what: "placed", reason: "Müller ./. Château" }],
  prunes: [
    {
      status: "completed",
      startedAt: "2026-06-03T03:00:00Z",
      released: [1, 2],
      removedPacks: 3,
      removedBytes: 4_096,
      errorCode: null,
    },
  ],
  keyRotations: [{ at: "2026-06-03T10:00:00Z", by: "cli:ada" }],
  erasure: null,
};

const words = (text: string): string => text.replaceAll(/\s+/g, "");

const write = async (given: Evidence): Promise<string[]> => await readPdf(await drawPdf(writeReport(given)));

test("says what the other reports say, in any script", async () => {
  const pages = await write(evidence);
  const said = words(pages.join(""));
  expect(said).toContain(words(reportTitle));
  for (const { title, rows } of describeReport(writeReport(evidence)))
    for (const text of [title, ...rows.flat()]) expect(said).toContain(words(text));
  expect(said).not.toContain("[U+");
  expect(pages).toHaveLength(2);
  expect(pages[0]).toContain("page 1 of 2");
});

const names = {
  Japanese: "花嫁ウェディング株式会社",
  "simplified Chinese": "花园婚礼策划有限公司",
  "traditional Chinese": "花園婚禮企劃有限公司",
  Korean: "꽃정원 웨딩 주식회사",
  Hindi: "विवाह उद्यान",
  Thai: "สวนแต่งงาน",
  "with an emoji": "Garden 💐 ltd",
} as const;

test.each(Object.entries(names))("a name is drawn as it is written: %s", async (_, name) => {
  const legalHold = { reason: `${name} ./. Müller`, placedBy: name, placedAt: "2026-06-02T00:00:00Z" };
  const pages = await write({ ...evidence, organizationId: name, legalHold });
  const said = words(pages.join(""));
  expect(said).toContain(words(`organization${name}`));
  expect(said).toContain(words(`by ${name}: ${name} ./. Müller`));
  for (const page of pages) expect(words(page)).toContain(words(`${name}, 2026-06-01 to`)); // the foot
});

test("what no font has is named by its code point, and the document says so", async () => {
  const said = words((await write({ ...evidence, organizationId: "𠮷野家 ltd" })).join(""));
  expect(said).toContain("[U+20BB7]野家ltd");
  expect(said).toContain(words("stands for a character that this document's fonts do not have"));
});

test("a document that its first font can write embeds no other, and stays small", async () => {
  const european = { ...evidence, policies: evidence.policies.slice(0, 1) };
  const pdf = await drawPdf(writeReport(european));
  expect(pdf.includes("DejaVuSans")).toBe(true);
  expect(pdf.includes("UnifontEx")).toBe(false);
  const wide = await drawPdf(writeReport(evidence));
  expect(wide.includes("UnifontEx")).toBe(true);
  expect(wide.length - pdf.length).toBeLessThan(50_000); // of the large font only the glyphs that are drawn
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
  expect(pages.some((page) => page.startsWith("Access (continued)"))).toBe(true);
});

// The compliance report as a PDF: A4, page numbers, fonts of its own embedded, so that it reads alike everywhere and names
// come out as they are written.
import { buffer } from "node:stream/consumers";
import Pdf from "pdfkit";
import type { ComplianceReport } from "../domain/compliance-report.ts";
import { loadPdfFonts, type PdfFonts } from "./pdf-fonts.ts";
import { describeReport, reportTitle, type ReportSection } from "./report-sections.ts";

type Page = InstanceType<typeof Pdf>;

const margin = 56;
const padding = 4;
const ink = "#111111";
const rule = "#cccccc";
/** Of the line's width, what the first column takes. */
const firstColumn = 0.45;

export async function drawPdf(report: ComplianceReport): Promise<Buffer> {
  const page: Page = new Pdf({
    size: "A4",
    margins: { top: margin, bottom: margin, left: margin, right: margin },
    bufferPages: true,
    lang: "en",
    displayTitle: true,
    info: { Title: reportTitle, Subject: report.organizationId },
  });
  const whole = buffer(page);
  const sections = describeReport(report);
  const footer = `${report.organizationId}, ${report.from.slice(0, 10)} to ${report.to.slice(0, 10)}`;
  const fonts = await loadPdfFonts([footer, ...sections.flatMap(({ title, rows }) => [title, ...rows.flat()])]);
  for (const [name, file] of fonts.files) page.registerFont(name, file);
  page.font("bold").fontSize(18).fillColor(ink).text(reportTitle);
  page.moveDown(0.5);
  for (const section of sections) drawSection(page, section, fonts);
  if (fonts.hasNamed()) drawSection(page, { title: "About this document", rows: [noteOnNamed] }, fonts);
  numberPages(page, footer, fonts);
  page.end();
  return await whole;
}

const noteOnNamed = [
  "[U+…]",
  "stands for a character that this document's fonts do not have, by its number in Unicode; the page (--html) and the JSON hold it as it is written.",
] as const;

function drawSection(page: Page, { title, rows }: ReportSection, { typeset }: PdfFonts): void {
  const width = page.page.width - 2 * margin;
  const widths = [width * firstColumn - padding, width * (1 - firstColumn)] as const;
  const heading = (text: string): void => {
    const drawn = typeset(text, "bold");
    page.font(drawn.font).fontSize(12).fillColor(ink).text(drawn.text, margin, page.y, { width });
    page.moveDown(0.4);
  };
  const place = (cell: string, column: number) => ({
    ...typeset(cell, "plain"),
    left: margin + column * (widths[0] + padding),
    options: { width: widths[column] ?? 0 },
  });
  const heightOf = (cells: readonly ReturnType<typeof place>[]): number => {
    page.fontSize(9.5);
    return Math.max(0, ...cells.map(({ font, text, options }) => page.font(font).heightOfString(text, options)));
  };
  const fits = (height: number): boolean => page.y + height + 2 * padding <= page.page.height - margin;

  page.moveDown(1);
  // A heading stays with its first row.
  if (!fits(30 + heightOf(rows[0]?.map(place) ?? []))) page.addPage();
  heading(title);
  for (const row of rows) {
    const cells = row.map(place);
    const height = heightOf(cells);
    if (!fits(height)) {
      page.addPage();
      heading(`${title} (continued)`);
    }
    const top = page.y;
    page.fontSize(9.5).fillColor(ink);
    for (const { font, text, left, options } of cells) page.font(font).text(text, left, top, options);
    const bottom = top + height + padding;
    page
      .moveTo(margin, bottom)
      .lineTo(margin + width, bottom)
      .lineWidth(0.5)
      .strokeColor(rule)
      .stroke();
    page.x = margin;
    page.y = bottom + padding;
  }
}

function numberPages(page: Page, title: string, { typeset }: PdfFonts): void {
  const { start, count } = page.bufferedPageRange();
  const drawn = typeset(title, "plain");
  for (let index = 0; index < count; index++) {
    page.switchToPage(start + index);
    // Below the margin, where text would otherwise begin another page.
    page.page.margins.bottom = 0;
    const options = { width: page.page.width - 2 * margin, lineBreak: false } as const;
    page.fontSize(8).fillColor("#555555");
    page.font(drawn.font).text(drawn.text, margin, page.page.height - margin + 16, options);
    page
      .font("plain")
      .text(`page ${index + 1} of ${count}`, margin, page.page.height - margin + 16, { ...options, align: "right" });
    page.page.margins.bottom = margin;
  }
}

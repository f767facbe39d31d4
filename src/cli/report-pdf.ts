// The compliance report as a PDF: A4, page numbers, a font of its own embedded, so that it reads alike everywhere and names in
// any of that font's scripts come out as they are written.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { buffer } from "node:stream/consumers";
import { create, type Font } from "fontkit";
import Pdf from "pdfkit";
import type { ComplianceReport } from "../domain/compliance-report.ts";
import { describeReport, reportTitle, type ReportSection } from "./report-sections.ts";

type Page = InstanceType<typeof Pdf>;

const fontPath = (name: string): string => createRequire(import.meta.url).resolve(`dejavu-fonts-ttf/ttf/${name}.ttf`);
const fonts = { plain: "DejaVuSans", bold: "DejaVuSans-Bold" } as const;
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
  for (const [name, font] of Object.entries(fonts)) page.registerFont(name, fontPath(font));
  const { spell: legible, named } = createSpeller(fontPath(fonts.plain));
  page.font("bold").fontSize(18).fillColor(ink).text(reportTitle);
  page.moveDown(0.5);
  for (const section of describeReport(report)) drawSection(page, section, legible);
  if (named.size > 0) drawSection(page, { title: "About this document", rows: [noteOnNamed] }, legible);
  numberPages(page, legible(`${report.organizationId}, ${report.from.slice(0, 10)} to ${report.to.slice(0, 10)}`));
  page.end();
  return await whole;
}

const noteOnNamed = [
  "[U+…]",
  "stands for a character that this document's font does not have, by its number in Unicode; the page (--html) and the JSON hold it as it is written.",
] as const;

/** A character that the font lacks is named by its code point: an empty box would not say which it was. */
function createSpeller(path: string): { spell: (text: string) => string; named: ReadonlySet<string> } {
  const font = create(readFileSync(path)) as Font;
  const isDrawn = (character: string): boolean => font.hasGlyphForCodePoint(character.codePointAt(0) as number);
  const named = new Set<string>();
  const name = (character: string): string => {
    named.add(character);
    return `[U+${(character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0")}]`;
  };
  return { spell: (text) => Array.from(text, (each) => (isDrawn(each) ? each : name(each))).join(""), named };
}

function drawSection(page: Page, { title, rows }: ReportSection, legible: (text: string) => string): void {
  const width = page.page.width - 2 * margin;
  const widths = [width * firstColumn - padding, width * (1 - firstColumn)] as const;
  const heading = (text: string): void => {
    page.font("bold").fontSize(12).fillColor(ink).text(legible(text), margin, page.y, { width });
    page.moveDown(0.4);
  };
  const heightOf = (cells: readonly string[]): number => {
    page.font("plain").fontSize(9.5);
    return Math.max(...cells.map((cell, column) => page.heightOfString(cell, { width: widths[column] ?? 0 })));
  };
  const fits = (height: number): boolean => page.y + height + 2 * padding <= page.page.height - margin;

  page.moveDown(1);
  // A heading stays with its first row.
  if (!fits(30 + heightOf(rows[0]?.map(legible) ?? []))) page.addPage();
  heading(title);
  for (const row of rows) {
    const cells = row.map(legible);
    const height = heightOf(cells);
    if (!fits(height)) {
      page.addPage();
      heading(`${title} (continued)`);
    }
    const top = page.y;
    page.font("plain").fontSize(9.5).fillColor(ink);
    for (const [column, cell] of cells.entries())
      page.text(cell, margin + column * (widths[0] + padding), top, { width: widths[column] ?? 0 });
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

function numberPages(page: Page, title: string): void {
  const { start, count } = page.bufferedPageRange();
  for (let index = 0; index < count; index++) {
    page.switchToPage(start + index);
    // Below the margin, where text would otherwise begin another page.
    page.page.margins.bottom = 0;
    const options = { width: page.page.width - 2 * margin, lineBreak: false } as const;
    page.font("plain").fontSize(8).fillColor("#555555");
    page.text(title, margin, page.page.height - margin + 16, options);
    page.text(`page ${index + 1} of ${count}`, margin, page.page.height - margin + 16, { ...options, align: "right" });
    page.page.margins.bottom = margin;
  }
}

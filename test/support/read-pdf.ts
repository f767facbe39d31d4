// The words of a PDF with embedded fonts, page by page, as a reader copies them out: glyphs by the fonts' own ToUnicode maps.
// Knows just enough of the format for what the product writes. A glyph that stands for nothing, an empty box to whoever looks,
// is an error.
import { readFile } from "node:fs/promises";
import { inflateSync } from "node:zlib";

export async function readPdf(pdf: string | Buffer): Promise<string[]> {
  const text = (typeof pdf === "string" ? await readFile(pdf) : pdf).toString("latin1");
  if (!text.startsWith("%PDF-") || !text.trimEnd().endsWith("%%EOF")) throw new Error("this is no whole PDF");
  const objects = new Map<string, string>();
  for (const [, id = "", body = ""] of text.matchAll(/(\d+) 0 obj\n([\s\S]*?)\nendobj/g)) objects.set(id, body);
  const object = (reference: string | undefined): string => objects.get(reference ?? "") ?? "";
  const refer = (body: string, name: string): string | undefined => new RegExp(`/${name} (\\d+) 0 R`).exec(body)?.[1];

  const pages = [...objects.values()].filter((body) => /\/Type \/Page\b(?!s)/.test(body));
  return pages.map((page) => {
    const resources = refer(page, "Resources") === undefined ? page : object(refer(page, "Resources"));
    const fonts = new Map<string, ReadonlyMap<string, string>>();
    for (const [, name = "", id] of resources.matchAll(/\/(F\d+) (\d+) 0 R/g))
      fonts.set(name, readUnicodeMap(readStream(object(refer(object(id), "ToUnicode")))));
    return readWords(readStream(object(refer(page, "Contents"))), fonts);
  });
}

function readStream(body: string): string {
  const [, head = "", data = ""] = /^([\s\S]*?)\nstream\n([\s\S]*)\nendstream$/.exec(body) ?? [];
  const bytes = Buffer.from(data, "latin1");
  return (head.includes("FlateDecode") ? inflateSync(bytes) : bytes).toString("latin1");
}

/** Glyph, as four hex digits → what it stands for. */
function readUnicodeMap(cmap: string): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (const [, from = "", list = ""] of cmap.matchAll(/<([0-9a-f]{4})> <[0-9a-f]{4}> \[([^\]]*)\]/gi))
    for (const [index, [, units = ""]] of [...list.matchAll(/<([0-9a-f ]*)>/gi)].entries()) {
      const swapped = Buffer.from(units.replaceAll(" ", ""), "hex").swap16();
      map.set((Number.parseInt(from, 16) + index).toString(16).padStart(4, "0"), swapped.toString("utf16le"));
    }
  return map;
}

function readWords(content: string, fonts: ReadonlyMap<string, ReadonlyMap<string, string>>): string {
  let font: ReadonlyMap<string, string> = new Map();
  const lines: string[] = [];
  for (const [, name, shown] of content.matchAll(/\/(F\d+) [\d.]+ Tf|\[([^\]]*)\] TJ/g)) {
    if (name !== undefined) font = fonts.get(name) ?? new Map();
    else
      lines.push(
        [...(shown ?? "").matchAll(/<([0-9a-f]+)>/gi)]
          .flatMap(([, hex = ""]) => (hex.match(/.{4}/g) ?? []).map((glyph) => readGlyph(glyph.toLowerCase(), font)))
          .join(""),
      );
  }
  return lines.join("\n");
}

function readGlyph(glyph: string, font: ReadonlyMap<string, string>): string {
  if (glyph === "0000") throw new Error("the PDF shows a character that its font lacks, as an empty box");
  return font.get(glyph) ?? "?";
}

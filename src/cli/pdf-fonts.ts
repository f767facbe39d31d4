// Which font draws a text of the PDF. DejaVu Sans has the scripts of Europe, and some more; what it lacks is drawn, the whole
// text, in UnifontEX: plain to look at, but with all of Chinese, Japanese and Korean in a few megabytes. What that lacks, too,
// is named by its code point: an empty box would not say which it was.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { create, type Font } from "fontkit";
import { unpackWoff } from "./unpack-woff.ts";

export interface PdfFonts {
  /** Font files by the names that `typeset` answers. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly typeset: (text: string, style: "plain" | "bold") => { readonly font: string; readonly text: string };
  /** Whether `typeset` had to name a character so far. */
  readonly hasNamed: () => boolean;
}

const readFont = async (path: string): Promise<Buffer> => await readFile(createRequire(import.meta.url).resolve(path));
const readWide = async (): Promise<Buffer> =>
  await unpackWoff(await readFont("@fontsource/unifontex/files/unifontex-latin-400-normal.woff"));

/** @param texts all that will be typeset: the large font is read only where one of them needs it. */
export async function loadPdfFonts(texts: readonly string[]): Promise<PdfFonts> {
  const files = new Map([
    ["plain", await readFont("dejavu-fonts-ttf/ttf/DejaVuSans.ttf")],
    ["bold", await readFont("dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf")],
  ]);
  const [plain, bold] = ["plain", "bold"].map((name) => create(files.get(name) as Buffer) as Font) as [Font, Font];
  const hasAll = (font: Font, text: string): boolean => Array.from(text).every((each) => has(font, each));
  let wide: Font | null = null;
  if (!texts.every((text) => hasAll(plain, text) && hasAll(bold, text))) {
    const file = await readWide();
    files.set("wide", file);
    wide = create(file) as Font;
  }
  let named = false;
  const name = (character: string): string => {
    named = true;
    return `[U+${codePointOf(character).toString(16).toUpperCase().padStart(4, "0")}]`;
  };
  return {
    files,
    typeset(text, style) {
      if (wide === null || hasAll(style === "bold" ? bold : plain, text)) return { font: style, text };
      const drawn = wide;
      return { font: "wide", text: Array.from(text, (each) => (has(drawn, each) ? each : name(each))).join("") };
    },
    hasNamed: () => named,
  };
}

const codePointOf = (character: string): number => character.codePointAt(0) as number;
const has = (font: Font, character: string): boolean => font.hasGlyphForCodePoint(codePointOf(character));

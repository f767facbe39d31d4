// What is unpacked is the font that was packed: the same glyphs, by a reader of both.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { expect, test } from "@jest/globals";
import { create, type Font } from "fontkit";
import { unpackWoff } from "../../../src/cli/unpack-woff.ts";

const path = createRequire(import.meta.url).resolve("@fontsource/unifontex/files/unifontex-latin-400-normal.woff");

test("a font comes out of its package with the same glyphs and outlines", async () => {
  const packed = await readFile(path);
  const unpacked = await unpackWoff(packed);
  const [before, after] = [create(packed) as Font, create(unpacked) as Font];
  expect(after.numGlyphs).toBe(before.numGlyphs);
  expect(after.postscriptName).toBe(before.postscriptName);
  for (const character of "A花한") {
    const [was, is] = [before, after].map((font) => font.glyphForCodePoint(character.codePointAt(0) as number));
    expect(is?.id).toBe(was?.id);
    expect(is?.path.toSVG()).toBe(was?.path.toSVG());
  }
});

test("another file is refused", async () => {
  await expect(unpackWoff(Buffer.from("wOF2 and so on"))).rejects.toThrow("this is no WOFF file");
});

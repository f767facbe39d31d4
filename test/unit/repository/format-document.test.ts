// FORMAT.md names a test for each invariant; one that was renamed or removed must not go unseen.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { pbkdf2Iterations } from "../../../src/crypto/root-key.ts";
import { headerBytes, maxFrameBytes } from "../../../src/crypto/sealed-object.ts";
import { limits } from "../../../src/repository/limits.ts";
import { knownFeatures } from "../../../src/repository/manifest.ts";
import { graceMs } from "../../../src/repository/prune-vault.ts";
import { segmentSizes } from "../../../src/repository/row-segmenter.ts";

const top = new URL("../../../", import.meta.url);
const read = (path: string): Promise<string> => readFile(fileURLToPath(new URL(path, top)), "utf8");
const text = await read("src/repository/FORMAT.md");
const [, invariants = ""] = text.split(/<!-- (?:end of )?invariants -->/);
const lines = invariants.split("\n").filter((line) => line !== "");

describe("FORMAT.md", () => {
  test("numbers its invariants, and each names a test that exists", async () => {
    expect(lines.length).toBeGreaterThanOrEqual(29);
    for (const [index, line] of lines.entries()) {
      const [, number, file = "", title = ""] = /^(\d+)\. .* — `(test\/\S+\.test\.ts)`: "(.+)"$/.exec(line) ?? [];
      expect([line, number]).toEqual([line, String(index + 1)]);
      const source = await read(file);
      expect([line, source.includes(`"${title}",`)]).toEqual([line, true]);
    }
  });

  test("states the numbers of the code", () => {
    const figure = (value: number): string => value.toLocaleString("en");
    const MiB = (bytes: number): string => `${figure(bytes / 1024 / 1024)} MiB`;
    for (const stated of [
      `| 76 | \`c\` | clear part`,
      figure(pbkdf2Iterations),
      `target ${figure(segmentSizes.targetBytes)} bytes, min ${figure(segmentSizes.minBytes)}, max ${figure(segmentSizes.maxBytes)}`,
      `| record | ${limits.recordBytes / 1024} KiB |`,
      `| roots that are tried | ${limits.roots} |`,
      `each | ${MiB(limits.manifestJsonBytes)} |`,
      `stored | ${MiB(limits.manifestBytes)} |`,
      `| release record, JSON and stored | ${limits.releaseJsonBytes / 1024 / 1024} and ${MiB(limits.releaseBytes)} |`,
      `for the grace (${graceMs / 3_600_000} hours)`,
      `| pack | ${MiB(limits.packBytes)}`,
      `| frame, whole | ${MiB(maxFrameBytes)} |`,
      `| sequence | ${figure(limits.manifestSequence)} |`,
      ...knownFeatures.map((feature) => `\`${feature}\``),
    ])
      expect(text).toContain(stated);
    expect(headerBytes).toBe(76);
  });

  test("names every label of a derivation", async () => {
    const sources = [await read("src/crypto/organization-keys.ts"), await read("src/crypto/sealed-object.ts")].join(
      "\n",
    );
    const labels = [...sources.matchAll(/derive\("([^"]+)"|"wedsync-backup v1 ([a-z ]+)", 32/g)].map(
      ([, derived, direct]) => derived ?? direct,
    );
    expect(labels).toHaveLength(10);
    for (const label of labels) expect(text).toContain(`| \`${label}\` |`);
  });
});

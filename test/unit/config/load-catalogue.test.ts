// The README's catalogue is one that is taken, and shows every field that there is.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { parse } from "yaml";
import { loadCatalogue } from "../../../src/config/load-catalogue.ts";

test("the README's catalogue is taken as it stands, and shows every field", async () => {
  const readme = await readFile("README.md", "utf8");
  const shown = readme.match(/### The catalogue\n[\s\S]*?```yaml\n([\s\S]*?)```/)?.[1] ?? "";
  const folder = await mkdtemp(join(tmpdir(), "wedsync-catalogue-"));
  try {
    const path = join(folder, "catalogue.yaml");
    await writeFile(path, shown);
    const loaded = await loadCatalogue(path);
    const given = parse(shown) as Record<string, unknown>;
    // What is left out comes back as its default, and would be found here.
    expect(loaded).toEqual({ ...given, links: [] });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a file that is not there, or no YAML, is told with its place", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wedsync-catalogue-"));
  try {
    const path = join(folder, "catalogue.yaml");
    await expect(loadCatalogue(path)).rejects.toMatchObject({
      code: "CatalogueInvalid",
      message: `The catalogue ${path} can't be read: there is no such file. Check BACKUP_CATALOGUE.`,
    });
    await writeFile(path, "version: 1\nschemas: [public\nroot: {}\n");
    await expect(loadCatalogue(path)).rejects.toMatchObject({
      code: "CatalogueInvalid",
      message: expect.stringMatching(/neither JSON nor YAML at line 3, column 1 \([A-Z_]+\)\.$/),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

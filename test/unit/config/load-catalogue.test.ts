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

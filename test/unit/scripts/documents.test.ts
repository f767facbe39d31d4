// The checks of the documents can fail.
import { describe, expect, test } from "@jest/globals";
import { anchorsOf, findDeadLinks } from "../../../scripts/docs/dead-links.ts";
import { fillBlocks } from "../../../scripts/docs/generated-blocks.ts";
import { markdownTable } from "../../../scripts/docs/markdown-table.ts";

describe("generated parts", () => {
  const text = "before\n<!-- generated: list -->\nold\n<!-- end -->\nafter\n";

  test("are replaced between their markers, and stay as they are the second time", async () => {
    const generators = { list: async () => "new" };
    const { filled, unknown } = await fillBlocks(text, generators);
    expect(filled).toBe("before\n<!-- generated: list -->\n\nnew\n\n<!-- end -->\nafter\n");
    expect(unknown).toEqual([]);
    expect((await fillBlocks(filled, generators)).filled).toBe(filled);
  });

  test("without a generator are named and left alone", async () => {
    expect(await fillBlocks(text, {})).toEqual({ filled: text, unknown: ["list"] });
  });
});

describe("dead links", () => {
  test("name files and headings that are not there", async () => {
    const text =
      "# A title, here\n[a](package.json) [b](none.md) [c](#a-title-here) [d](#gone) [e](https://example.org/x)";
    expect(await findDeadLinks("README.md", text)).toEqual([
      "README.md: the link none.md leads nowhere",
      "README.md: the link #gone names a heading that is not there",
    ]);
  });

  test("in code are no links", async () => {
    expect(await findDeadLinks("README.md", "`[a](none.md)`\n```\n[b](none.md)\n```\n")).toEqual([]);
  });

  test("headings in code are no headings", () => {
    expect([...anchorsOf("# One `two`\n```\n# three\n```\n## Four & five")]).toEqual(["one-two", "four--five"]);
  });
});

test("a cell can hold a bar", () => {
  expect(markdownTable(["a"], [["x|y\nz"]])).toBe("| a |\n|---|\n| x\\|y z |");
});

import { describe, expect, test } from "@jest/globals";
import { maskDifference } from "../../../src/domain/restore/mask-differences.ts";

const row = {
  number: 7,
  table: "public.guests",
  kind: "changed",
  key: { id: "1", email: "a@example.org" },
  backup: { id: "1", email: "a@example.org", name: "Anna" },
  live: { id: "1", email: "b@example.org", name: "Anna" },
  differs: ["email"],
} as const;

describe("a differing row", () => {
  test("tells of a masked column only that it differs", () => {
    const masked = maskDifference(row, [
      { table: "public.guests", column: "email" },
      { table: "public.vendors", column: "name" },
    ]);
    expect(masked).toEqual({
      ...row,
      key: { id: "1", email: null },
      backup: { id: "1", name: "Anna" },
      live: { id: "1", name: "Anna" },
      masked: ["email"],
    });
    expect(JSON.stringify(masked)).not.toContain("example.org");
  });

  test("is told whole where nothing is masked, and where there is no such row live", () => {
    expect(maskDifference({ ...row, live: null }, [])).toEqual({ ...row, live: null, masked: [] });
  });
});

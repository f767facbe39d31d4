import { readdirSync } from "node:fs";
import { expect, test } from "@jest/globals";

test("migrations have one number each: their order is the same everywhere", () => {
  const names = readdirSync(new URL("../../src/control/migrations", import.meta.url)).sort();
  const numbers = names.map((name) => /^(\d{4})_[a-z-]+\.sql$/.exec(name)?.[1]);
  expect(numbers).not.toContain(undefined);
  expect(new Set(numbers).size).toBe(names.length);
});

import { readdirSync } from "node:fs";
import { expect, test } from "@jest/globals";

test("migrations have one number each, without a gap: their order is the same everywhere", () => {
  const names = readdirSync(new URL("../../src/control/migrations", import.meta.url)).sort();
  expect(names.map((name) => Number(name.slice(0, 4)))).toEqual(names.map((_, index) => index + 1));
});

// What policies wait for, in the control tables: circles can't be made, not even by two callers at a time.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { openControlDatabase, type ControlDatabase } from "../../src/control/control-database.ts";
import { migrateControlTables } from "../../src/control/migrate.ts";
import { readPrerequisites, setDependencies } from "../../src/control/policy-dependencies.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";
import { keepPolicy } from "../support/policies.ts";

let database: TestDatabase;
let control: ControlDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await migrateControlTables(database.url);
  control = openControlDatabase(database.url);
});
afterAll(async () => {
  await control.close();
  await database.drop();
});

const make = async (name: string, organizationId = "one"): Promise<string> =>
  (await keepPolicy(control, organizationId, { name })).id;
const refusal = { code: "PolicyInvalid" };

test("a chain is kept, a circle of any length and a policy of another organization are refused", async () => {
  const [a, b, c, foreign] = [await make("a"), await make("b"), await make("c"), await make("d", "two")];
  await setDependencies(control, b, [a]);
  await setDependencies(control, c, [b, a]);
  await expect(setDependencies(control, a, [a])).rejects.toMatchObject(refusal);
  await expect(setDependencies(control, a, [c])).rejects.toMatchObject(refusal);
  await expect(setDependencies(control, a, [foreign])).rejects.toMatchObject(refusal);
  expect((await readPrerequisites(control, c)).map(({ name, newest }) => [name, newest])).toEqual([
    ["a", "none"],
    ["b", "none"],
  ]);
  await setDependencies(control, c, []);
  expect(await readPrerequisites(control, c)).toEqual([]);
});

test("of two halves of a circle that are added side by side one is refused", async () => {
  for (let round = 0; round < 10; round++) {
    const [a, b] = [await make(`left ${round}`), await make(`right ${round}`)];
    const results = await Promise.allSettled([setDependencies(control, a, [b]), setDependencies(control, b, [a])]);
    expect(results.map((result) => result.status).sort()).toEqual(["fulfilled", "rejected"]);
  }
});

// WedSync's rules on a real database: the sample weddings keep them, and each planted fault is found by its rule alone.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { openRuleChecker } from "../../src/adapters/postgres/rule-checker.ts";
import { loadCatalogue } from "../../src/config/load-catalogue.ts";
import type { Catalogue } from "../../src/domain/catalogue.ts";
import type { RuleChecker } from "../../src/ports/rule-checker.ts";
import { createWeddings } from "../support/sample-weddings.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

let database: TestDatabase;
let catalogue: Catalogue;
let checker: RuleChecker;
let organizationIds: readonly string[];

beforeAll(async () => {
  ({ database, organizationIds } = await createWeddings({ seed: 11 }));
  catalogue = await loadCatalogue(null);
  checker = await openRuleChecker(database.url);
});
afterAll(async () => {
  await checker.close();
  await database.drop();
});

const broken = async (organizationId: string | undefined): Promise<Record<string, number>> => {
  const findings = await checker.check(organizationId ?? "", catalogue.rules ?? []);
  return Object.fromEntries(findings.filter((each) => each.offending > 0).map((each) => [each.rule, each.offending]));
};

test("the sample weddings keep every rule", async () => {
  for (const id of organizationIds) expect([id, await broken(id)]).toEqual([id, {}]);
});

const someTable =
  "(SELECT t.id FROM seating_tables t JOIN weddings w ON w.id = t.wedding_id WHERE w.organization_id = $1 ORDER BY t.id LIMIT 1)";
const faults: readonly [rule: string, sql: string][] = [
  ["seats-within-capacity", `UPDATE seating_tables SET capacity = 0 WHERE id = ${someTable}`],
  [
    "seats-are-numbered",
    `UPDATE seat_assignments SET seat = -1 WHERE seating_table_id = ${someTable} AND seat = (SELECT min(seat) FROM seat_assignments WHERE seating_table_id = ${someTable})`,
  ],
  [
    "seated-guests-attend",
    `UPDATE rsvps SET status = 'maybe' WHERE guest_id = (SELECT guest_id FROM seat_assignments WHERE seating_table_id = ${someTable} LIMIT 1)`,
  ],
  [
    "budget-covers-its-items",
    "UPDATE budgets SET total = 1 WHERE wedding_id IN (SELECT id FROM weddings WHERE organization_id = $1)",
  ],
  [
    "payments-within-contract",
    "UPDATE payments SET amount = 99999999 WHERE id = (SELECT min(p.id) FROM payments p JOIN contracts c ON c.id = p.contract_id WHERE c.organization_id = $1)",
  ],
  [
    "timeline-on-the-day",
    "UPDATE timeline_events SET duration = '-1 minute' WHERE id = (SELECT id FROM timeline_events WHERE organization_id = $1 LIMIT 1)",
  ],
  [
    "photos-have-a-file",
    "UPDATE photos SET storage_path = '../elsewhere.jpg' WHERE id = (SELECT id FROM photos WHERE organization_id = $1 LIMIT 1)",
  ],
];

test.each(faults)("%s finds its fault, in that organization only", async (rule, sql) => {
  const [faulty, other] = organizationIds;
  await checker.close(); // a template has no sessions
  const fresh = await createTestDatabase(database.name);
  const own = await openRuleChecker(fresh.url);
  try {
    await fresh.query(sql, [faulty]);
    const of = async (id: string | undefined) =>
      (await own.check(id ?? "", catalogue.rules ?? [])).filter((each) => each.offending > 0).map((each) => each.rule);
    expect(await of(faulty)).toContain(rule);
    expect(await of(other)).toEqual([]);
  } finally {
    await own.close();
    await fresh.drop();
    checker = await openRuleChecker(database.url);
  }
});

test("a rule whose SQL is refused is named, without the server's words", async () => {
  const rules = [{ name: "wrong", title: "wrong", sql: "SELECT secret FROM public.nowhere WHERE id = $1" }];
  await expect(checker.check("x", rules)).rejects.toMatchObject({
    code: "CatalogueInvalid",
    message: "The SQL of rule wrong is refused by the database (SQLSTATE 42P01).",
  });
});

test("a rule can't write", async () => {
  const rules = [
    {
      name: "writes",
      title: "writes",
      sql: "WITH gone AS (DELETE FROM public.weddings WHERE organization_id = $1 RETURNING id) SELECT id FROM gone",
    },
  ];
  await expect(checker.check(organizationIds[0] ?? "", rules)).rejects.toMatchObject({ code: "CatalogueInvalid" });
});

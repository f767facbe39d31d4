// A legal hold: placed and lifted by the owner's side and by sessions of the facade, audited, and invisible to others.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { openBoundSessions, readBindingKey, type BoundSessions } from "../../src/control/bound-sessions.ts";
import { openControlDatabase, type ControlDatabase } from "../../src/control/control-database.ts";
import { liftLegalHold, placeLegalHold, readLegalHold } from "../../src/control/legal-hold.ts";
import { migrateControlTables } from "../../src/control/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

let database: TestDatabase;
let owner: ControlDatabase;
let sessions: BoundSessions;

const bound = (organizationId: string) => ({ organizationId, platform: false, actor: "ann", role: "owner" });

beforeAll(async () => {
  database = await createTestDatabase();
  await migrateControlTables(database.url);
  owner = openControlDatabase(database.url);
  sessions = openBoundSessions({ url: database.url, bindingKey: await readBindingKey(owner) });
});

afterAll(async () => {
  await sessions?.close();
  await owner?.close();
  await database?.drop();
});

test("is placed once, keeps since when it stands, and is lifted", async () => {
  expect(await readLegalHold(owner, "a")).toBeNull();
  const placed = await placeLegalHold(owner, { organizationId: "a", reason: "a court asks", actor: "cli:root" });
  expect(placed).toMatchObject({ organizationId: "a", reason: "a court asks", placedBy: "cli:root" });
  const again = await placeLegalHold(owner, { organizationId: "a", reason: "two courts ask", actor: "cli:ann" });
  expect(again).toEqual({ ...placed, reason: "two courts ask", placedBy: "cli:ann" });
  expect(await readLegalHold(owner, "a")).toEqual(again);
  expect(await liftLegalHold(owner, { organizationId: "a", actor: "cli:bob" })).toBe(true);
  expect(await liftLegalHold(owner, { organizationId: "a", actor: "cli:bob" })).toBe(false);
  expect(await readLegalHold(owner, "a")).toBeNull();
});

test("each change is in the audit log, under the name of whoever made it", async () => {
  const rows = await owner.query(
    "SELECT actor, action, subject FROM backup.audit_log WHERE organization_id = 'a' ORDER BY position",
  );
  expect(rows).toEqual([
    { actor: "cli:root", action: "legal_holds.insert", subject: "a" },
    { actor: "cli:ann", action: "legal_holds.update", subject: "a" },
    { actor: "cli:bob", action: "legal_holds.delete", subject: "a" },
  ]);
});

test("another organization's session neither sees it, nor lifts it, nor places one", async () => {
  await sessions.run(bound("b"), (session) =>
    placeLegalHold(session, { organizationId: "b", reason: "kept", actor: "ann" }),
  );
  const seen = await sessions.run(bound("c"), (session) => readLegalHold(session, "b"));
  const lifted = await sessions.run(bound("c"), (session) =>
    liftLegalHold(session, { organizationId: "b", actor: "ann" }),
  );
  expect([seen, lifted]).toEqual([null, false]);
  await expect(
    sessions.run(bound("c"), (session) =>
      placeLegalHold(session, { organizationId: "b", reason: "mine", actor: "ann" }),
    ),
  ).rejects.toThrow();
  expect(await readLegalHold(owner, "b")).toMatchObject({ reason: "kept", placedBy: "ann" });
});

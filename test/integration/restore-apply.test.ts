// Restores of sample weddings into the live database that they came from.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { BackupContent } from "../../src/ports/restore-target.ts";
import { createWeddingsFixture, optionsOf, restore, type RestoreFixture } from "../support/restore-fixture.ts";

describe("a restore of sample weddings", () => {
  let fixture: RestoreFixture;
  let organization: string;
  let others: string[];
  let backup: BackupContent;
  let before: Record<string, string[]>;
  let othersBefore: Record<string, string>[];

  beforeAll(async () => {
    ({ fixture, organization, others, backup } = await createWeddingsFixture(5));
    before = await fixture.rows(organization);
    othersBefore = await Promise.all(others.map((other) => fixture.fingerprint(other)));
  });
  afterAll(() => fixture.drop());

  const expectOthersUntouched = async (): Promise<void> => {
    expect(await Promise.all(others.map((other) => fixture.fingerprint(other)))).toEqual(othersBefore);
  };

  test("finds nothing to do where nothing changed, and writes nothing", async () => {
    const rowsBefore = await fixture.fingerprint(organization);
    const input = fixture.plan(organization, backup, { liveOnly: "mirror" });
    const { differences, result } = await restore(fixture, input);
    for (const { missing, changed, liveOnly, taken } of differences)
      expect([missing, changed, liveOnly, taken]).toEqual([0, 0, 0, 0]);
    expect(result).toMatchObject({ applied: true });
    expect(await fixture.fingerprint(organization)).toEqual(rowsBefore);
    await fixture.target.dropStaging(input.restoreId);
  });

  test("brings everything back after the organization was deleted, and rolls that back exactly", async () => {
    await fixture.query(
      "DELETE FROM comments WHERE subject_id IN (SELECT id FROM guests WHERE organization_id = $1 UNION SELECT id FROM vendors WHERE organization_id = $1 UNION SELECT id FROM tasks WHERE organization_id = $1)",
      [organization],
    );
    await fixture.query("DELETE FROM contracts WHERE organization_id = $1", [organization]);
    await fixture.query("DELETE FROM organizations WHERE id = $1", [organization]);
    const damaged = await fixture.rows(organization);
    expect(Object.values(damaged).flat()).toEqual([]);
    const input = fixture.plan(organization, backup, { liveOnly: "mirror" });
    const { result } = await restore(fixture, input);
    expect(result).toMatchObject({ applied: true });
    expect(await fixture.rows(organization)).toEqual(before);
    await expectOthersUntouched();
    const again = await fixture.target.apply(input, optionsOf("overwrite", "mirror"));
    expect(again).toEqual(result);

    const { refused } = await fixture.target.rollback(input.restoreId, { partial: false });
    expect(refused).toEqual([]);
    expect(await fixture.rows(organization)).toEqual(damaged);
    await restore(fixture, fixture.plan(organization, backup));
    expect(await fixture.rows(organization)).toEqual(before);
    await expectOthersUntouched();
  });

  test("overwrites changed rows, keeps or removes rows that exist only live, and rolls both back", async () => {
    await fixture.query(
      "UPDATE guests SET notes = 'damaged', loyalty_points = -1 WHERE organization_id = $1 AND last_name < 'M'",
      [organization],
    );
    await fixture.query(
      "DELETE FROM seating_tables WHERE wedding_id IN (SELECT id FROM weddings WHERE organization_id = $1)",
      [organization],
    );
    await fixture.query("INSERT INTO tasks (id, organization_id, title) VALUES (gen_random_uuid(), $1, 'made later')", [
      organization,
    ]);
    const damaged = await fixture.rows(organization);
    const kept = fixture.plan(organization, backup);
    const { differences } = await restore(fixture, kept);
    const guests = differences.find(({ table }) => table === "public.guests");
    expect(guests?.changed).toBeGreaterThan(0);
    const after = await fixture.rows(organization);
    expect(after["public.tasks"]).toHaveLength((before["public.tasks"]?.length ?? 0) + 1);
    expect({ ...after, "public.tasks": [] }).toEqual({ ...before, "public.tasks": [] });
    expect(await fixture.target.rollback(kept.restoreId, { partial: false })).toMatchObject({ refused: [] });
    expect(await fixture.rows(organization)).toEqual(damaged);

    const mirrored = fixture.plan(organization, backup, { liveOnly: "mirror" });
    await restore(fixture, mirrored);
    expect(await fixture.rows(organization)).toEqual(before);
    expect(await fixture.target.rollback(mirrored.restoreId, { partial: false })).toMatchObject({ refused: [] });
    expect(await fixture.rows(organization)).toEqual(damaged);
    await restore(fixture, fixture.plan(organization, backup, { liveOnly: "mirror" }));
    await expectOthersUntouched();
  });

  test("skip brings back missing rows only", async () => {
    await fixture.query("UPDATE vendors SET name = 'changed by a user' WHERE organization_id = $1", [organization]);
    await fixture.query("DELETE FROM menus WHERE organization_id = $1", [organization]);
    const damaged = await fixture.rows(organization);
    const input = fixture.plan(organization, backup, { strategy: "skip" });
    await restore(fixture, input);
    expect(await fixture.rows(organization)).toEqual({ ...before, "public.vendors": damaged["public.vendors"] });
    await restore(fixture, fixture.plan(organization, backup));
    expect(await fixture.rows(organization)).toEqual(before);
    await expectOthersUntouched();
  });

  test("shows the difference page by page, old and new side by side", async () => {
    await fixture.query("UPDATE vendors SET rating = 1.10 WHERE organization_id = $1", [organization]);
    const input = fixture.plan(organization, backup);
    await fixture.target.stage(input, () => {});
    const differences = await fixture.target.diff(input);
    const changed = differences.find(({ table }) => table === "public.vendors")?.changed ?? 0;
    expect(changed).toBeGreaterThan(1);
    const seen: number[] = [];
    for (let after: number | null = 0; after !== null;) {
      const page = await fixture.target.readDifferences(input.restoreId, {
        table: "public.vendors",
        kind: "changed",
        after,
        limit: 1,
      });
      for (const row of page.rows) {
        seen.push(row.number);
        expect(row.live?.["rating"]).toBe("1.10");
        expect(row.differs).toEqual(["rating"]);
        expect(Object.keys(row.key)).toEqual(["id"]);
      }
      after = page.next;
    }
    expect(new Set(seen).size).toBe(changed);
    await fixture.target.dropStaging(input.restoreId);
    const left = await fixture.query<{ count: string }>("SELECT count(*) FROM pg_namespace WHERE nspname = $1", [
      `wedsync_restore_${input.restoreId.replaceAll("-", "")}`,
    ]);
    expect(left).toEqual([{ count: "0" }]);
    await restore(fixture, fixture.plan(organization, backup));
    await expectOthersUntouched();
  });

  test("chosen data sets alone are touched", async () => {
    await fixture.query(
      "DELETE FROM seating_tables WHERE wedding_id IN (SELECT id FROM weddings WHERE organization_id = $1)",
      [organization],
    );
    await fixture.query("UPDATE vendors SET name = 'stays' WHERE organization_id = $1", [organization]);
    const damaged = await fixture.rows(organization);
    const selection = { dataSets: ["seating"], tables: null, records: null };
    const { differences } = await restore(fixture, fixture.plan(organization, backup, { selection }));
    expect(differences.map(({ table }) => table)).toEqual(["public.seating_tables", "public.seat_assignments"]);
    expect(await fixture.rows(organization)).toEqual({ ...before, "public.vendors": damaged["public.vendors"] });
    await restore(fixture, fixture.plan(organization, backup));
    expect(await fixture.rows(organization)).toEqual(before);
    await expectOthersUntouched();
  });

  test("rolling back refuses rows that were changed since, by name, and partly undoes the rest", async () => {
    await fixture.query("UPDATE vendors SET category = 'damaged' WHERE organization_id = $1", [organization]);
    const input = fixture.plan(organization, backup);
    await restore(fixture, input);
    const [vendor] = await fixture.query<{ id: string }>("SELECT id FROM vendors WHERE organization_id = $1 LIMIT 1", [
      organization,
    ]);
    await fixture.query("UPDATE vendors SET name = 'newer' WHERE id = $1", [vendor?.id]);
    await expect(fixture.target.rollback(input.restoreId, { partial: false })).rejects.toMatchObject({
      code: "RollbackRefused",
      details: { refused: ["public.vendors: 1 rows changed since"] },
    });
    const { refused } = await fixture.target.rollback(input.restoreId, { partial: true });
    expect(refused).toEqual([{ table: "public.vendors", rows: 1, reason: "changed since" }]);
    const left = await fixture.query<{ id: string }>(
      "SELECT id FROM vendors WHERE organization_id = $1 AND category <> 'damaged'",
      [organization],
    );
    expect(left).toEqual([{ id: vendor?.id }]);
    await restore(fixture, fixture.plan(organization, backup));
    expect(await fixture.rows(organization)).toEqual(before);
    await expectOthersUntouched();
  });
});

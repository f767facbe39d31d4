// A connection that is lost around COMMIT: the client can't know whether it happened. It must find out, by what the same
// transaction wrote down, and then neither write twice nor take a restore for failed that was done.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { createRestoreTarget } from "../../src/adapters/postgres/restore/restore-target.ts";
import type { BackupContent, RestoreTarget } from "../../src/ports/restore-target.ts";
import { outcomeOf } from "../support/outcome.ts";
import { startPostgresProxy, type CommitFault, type PostgresProxy } from "../support/postgres-proxy.ts";
import { createRestoreFixture, optionsOf, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

let fixture: RestoreFixture;
let proxy: PostgresProxy;
let target: RestoreTarget;
let backup: BackupContent;
let whole: Record<string, string[]>;
let lost: Record<string, string[]>;
let others: Record<string, string>;

beforeAll(async () => {
  fixture = await createRestoreFixture(
    `CREATE TABLE orgs (id integer PRIMARY KEY, name text);
     CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs ON DELETE CASCADE, name text);
     INSERT INTO orgs VALUES (1, 'ours'), (2, 'theirs');
     INSERT INTO guests SELECT i, 1 + i % 2, 'guest ' || i FROM generate_series(1, 40) AS i`,
    catalogueOf(["public.orgs", "public.guests"]),
  );
  backup = await fixture.backUp("1");
  whole = await fixture.rows("1");
  others = await fixture.fingerprint("2");
  proxy = await startPostgresProxy(fixture.database.url);
  target = createRestoreTarget({ url: proxy.url });
});
afterAll(async () => {
  await proxy?.stop();
  await fixture?.drop();
});

beforeEach(async () => {
  await fixture.query("DELETE FROM guests WHERE org_id = 1 AND id > 20");
  await fixture.query("UPDATE guests SET name = 'spoilt' WHERE org_id = 1");
  lost = await fixture.rows("1");
});
afterEach(() => {
  proxy.fault = null;
  proxy.isDown = false;
});

const kept = async (restoreId: string) => {
  const [row] = await fixture.query<{ status: string }>(
    "SELECT status FROM wedsync_restore.restores WHERE restore_id = $1",
    [restoreId],
  );
  return row?.status ?? null;
};

async function expectRows(rows: Record<string, string[]>): Promise<void> {
  expect(await fixture.rows("1")).toEqual(rows);
  expect(await fixture.fingerprint("2")).toEqual(others);
}

const faults: readonly CommitFault[] = ["drop", "cut", "deafen"];

test.each(faults)(
  "around the commit of an apply (%s): it says what happened, and repeating it ends it once",
  async (fault) => {
    const input = fixture.plan("1", backup);
    await target.stage(input, () => {});
    proxy.fault = fault;
    const before = proxy.faults;
    const first = await outcomeOf(() => target.apply(input, optionsOf("overwrite")));
    expect(proxy.faults).toBe(before + 1);
    // Done, if and only if it was committed.
    expect([first, await kept(input.restoreId)]).toEqual(
      fault === "drop" ? ["RestoreTargetUnreachable", null] : ["done", "applied"],
    );
    await expectRows(fault === "drop" ? lost : whole);
    const written = await fixture.fingerprint("1");
    const again = await target.apply(input, optionsOf("overwrite"));
    expect(again).toMatchObject({ applied: true });
    if (fault !== "drop") expect(await fixture.fingerprint("1")).toEqual(written); // nothing was written twice
    await expectRows(whole);
    await target.rollback(input.restoreId, { partial: false });
    await target.dropStaging(input.restoreId);
    await expectRows(lost);
  },
);

test("the commit happened, and then nothing answers any more: the next attempt finds it", async () => {
  const input = fixture.plan("1", backup);
  await target.stage(input, () => {});
  proxy.fault = "vanish";
  expect(await outcomeOf(() => target.apply(input, optionsOf("overwrite")))).toBe("RestoreTargetUnreachable");
  proxy.isDown = false;
  const written = await fixture.fingerprint("1");
  const tables = [{ table: "public.orgs" }, { table: "public.guests", inserted: 10, updated: 10, unchanged: 0 }];
  expect(await target.apply(input, optionsOf("overwrite"))).toMatchObject({ applied: true, tables });
  expect(await fixture.fingerprint("1")).toEqual(written);
  await expectRows(whole);
  await target.rollback(input.restoreId, { partial: false });
  await target.dropStaging(input.restoreId);
});

test.each(faults)("around the commit of a rollback (%s): repeating it gives the same end", async (fault) => {
  const input = fixture.plan("1", backup);
  await target.stage(input, () => {});
  await target.apply(input, optionsOf("overwrite"));
  proxy.fault = fault;
  const before = proxy.faults;
  const first = await outcomeOf(() => target.rollback(input.restoreId, { partial: false }));
  expect([first, proxy.faults]).toEqual(["RestoreTargetUnreachable", before + 1]);
  const answer = await target.rollback(input.restoreId, { partial: false });
  expect(answer).toMatchObject({ refused: [] });
  expect(await kept(input.restoreId)).toBe("rolled back");
  await expectRows(lost);
  expect(await target.rollback(input.restoreId, { partial: false })).toEqual(answer);
  await target.dropStaging(input.restoreId);
});

test.each(faults)("around the commit of staging (%s): repeating it stages once, whole", async (fault) => {
  const input = fixture.plan("1", backup);
  proxy.fault = fault;
  expect(await outcomeOf(() => target.stage(input, () => {}))).toBe("RestoreTargetUnreachable");
  await expectRows(lost);
  const { tables } = await target.stage(input, () => {});
  expect(tables).toEqual([
    { table: "public.orgs", rows: 1 },
    { table: "public.guests", rows: 20 },
  ]);
  expect(await target.apply(input, optionsOf("overwrite"))).toMatchObject({ applied: true });
  await expectRows(whole);
  await target.dropStaging(input.restoreId);
});

// Restores as a whole, on the real parts: Temporal, Postgres, a repository, photos. Data is lost in ways that admins lose
// it; what comes back is compared with what was there, and so is everyone who had nothing to do with it.
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import {
  approveRestore,
  decideConflicts,
  finishDryRun,
  followRestore,
  readRestoreProgress,
} from "../../src/client/start-restore.ts";
import { createRestoreTarget } from "../../src/adapters/postgres/restore/restore-target.ts";
import { getRestore } from "../../src/control/restores.ts";
import { restoreWorkflowId } from "../../src/domain/restore-run.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { eventually } from "../support/eventually.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { openRestoreRig, type RestoreRig } from "../support/restore-rig.ts";

let rig: BackupRig;
let restores: RestoreRig;
let organizationId: string;
let other: string;

beforeAll(async () => {
  rig = await createBackupRig();
  await rig.startWorker();
  [organizationId = "", other = ""] = rig.organizationIds;
  for (const id of rig.organizationIds) await rig.backUp(id);
  restores = await openRestoreRig(rig);
});
afterAll(async () => await rig.close());

let before: Record<string, string>;
let othersBefore: Record<string, string>;
beforeEach(async () => {
  before = await checksumsOf(rig, organizationId);
  othersBefore = await checksumsOf(rig, other);
});

const first = { choice: { by: "sequence", sequence: 1 } } as const;

test("a dropped seating plan: a dry run shows it and writes nothing, the restore brings it back, nobody else is touched", async () => {
  await restores.dropSeating();
  const damaged = await checksumsOf(rig, organizationId);
  const order = await restores.order({ dryRun: true });
  const progress = await restores.untilItWaits(order, "a look at the dry run");
  const seating = progress.differences?.find((each) => each.table === "public.seating_tables");
  expect(seating).toMatchObject({ changed: 0, same: 0, liveOnly: 0, taken: 0 });
  expect(seating?.missing).toBeGreaterThan(0);
  const target = createRestoreTarget({ url: rig.database.url });
  const page = await target.readDifferences(order.restoreId, {
    table: "public.seating_tables",
    kind: "missing",
    after: 0,
    limit: 5,
  });
  expect(page.rows[0]).toMatchObject({ kind: "missing", live: null });
  await finishDryRun(rig.client, order);
  await followRestore(rig.client, order);
  await restores.expectNothingLeft();
  expect(await checksumsOf(rig, organizationId)).toEqual(damaged);

  const outcome = await restores.restore();
  expect(outcome).toMatchObject({ status: "applied", decidedByDefault: 0 });
  expect(outcome.preRestoreSequence).toBeGreaterThan(1);
  // It shows the damage: whoever says "latest" next doesn't mean it.
  const vault = await rig.repository.openVault(organizationId);
  expect((await vault.listManifests()).map((each) => each.beforeRestore ?? false)).toEqual([false, true]);
  const again = await restores.order({ dryRun: true });
  expect((await restores.untilItWaits(again, "a look at the dry run")).backup?.sequence).toBe(1);
  await finishDryRun(rig.client, again);
  await followRestore(rig.client, again);
  expect(outcome.proofs.length).toBeGreaterThan(0);
  expect(outcome.rules.length).toBeGreaterThan(0);
  expect(outcome.rules.filter((rule) => rule.offending > 0)).toEqual([]);
  expect(await checksumsOf(rig, organizationId)).toEqual(before);
  expect(await checksumsOf(rig, other)).toEqual(othersBefore);
  expect(await getRestore(rig.control, outcome.restoreId)).toMatchObject({ status: "applied", strategy: "overwrite" });
  await restores.expectNothingLeft();
});

test("a whole organization that was deleted, with its photos; and rolled back again, exactly", async () => {
  const [photo] = await rig.database.query<{ path: string }>(
    "SELECT storage_path AS path FROM photos WHERE organization_id = $1 LIMIT 1",
    [organizationId],
  );
  const path = join(rig.mediaDir, photo?.path ?? "");
  await rm(path);
  await rig.database.query(
    "DELETE FROM comments WHERE subject_id IN (SELECT id FROM guests WHERE organization_id = $1 UNION SELECT id FROM tasks WHERE organization_id = $1 UNION SELECT id FROM vendors WHERE organization_id = $1)",
    [organizationId],
  );
  await rig.database.query("DELETE FROM contracts WHERE organization_id = $1", [organizationId]);
  await rig.database.query("DELETE FROM organizations WHERE id = $1", [organizationId]);
  const outcome = await restores.restore(first);
  expect(outcome.notes.join()).toContain("the organization did not exist");
  expect(outcome.files).toMatchObject({ created: 1, notInBackup: 0 });
  expect(await rig.media.stat(photo?.path ?? "")).not.toBeNull();
  expect(await checksumsOf(rig, organizationId)).toEqual(before);
  expect(await checksumsOf(rig, other)).toEqual(othersBefore);

  expect(await restores.rollBack(outcome.restoreId)).toMatchObject({ refused: [], files: { removed: 1 } });
  expect(await rig.database.query("SELECT 1 FROM organizations WHERE id = $1", [organizationId])).toEqual([]);
  expect(await rig.media.stat(photo?.path ?? "")).toBeNull();
  expect(await getRestore(rig.control, outcome.restoreId)).toMatchObject({
    status: "rolled_back",
    rolledBackBy: "test",
  });

  await restores.restore(first);
  expect(await checksumsOf(rig, organizationId)).toEqual(before);
  await restores.expectNothingLeft();
});

test("a photo of other content is set back, and a rollback brings the later content", async () => {
  const [photo] = await rig.database.query<{ path: string }>(
    "SELECT storage_path AS path FROM photos WHERE organization_id = $1 LIMIT 1",
    [organizationId],
  );
  await writeFile(join(rig.mediaDir, photo?.path ?? ""), "scribble");
  const outcome = await restores.restore(first);
  expect(outcome.files).toMatchObject({ replaced: 1 });
  expect((await rig.media.stat(photo?.path ?? ""))?.sizeBytes).toBeGreaterThan(8);
  expect(await restores.rollBack(outcome.restoreId)).toMatchObject({ files: { putBack: 1 } });
  expect((await rig.media.stat(photo?.path ?? ""))?.sizeBytes).toBe(8);
  await restores.restore(first);
});

test("a file that another organization's row names, too, is not written over", async () => {
  const [photo] = await rig.database.query<{ path: string }>(
    "SELECT storage_path AS path FROM photos WHERE organization_id = $1 LIMIT 1",
    [organizationId],
  );
  const path = photo?.path ?? "";
  const kept = await readFile(join(rig.mediaDir, path));
  await rig.database.query(
    "UPDATE photos SET storage_path = '/' || $2 WHERE id = (SELECT id FROM photos WHERE organization_id = $1 LIMIT 1)",
    [other, path],
  );
  await writeFile(join(rig.mediaDir, path), "theirs by now");
  const outcome = await restores.restore(first);
  expect(outcome.files).toMatchObject({ replaced: 0, kept: 1 });
  expect(await readFile(join(rig.mediaDir, path), "utf8")).toBe("theirs by now");
  await writeFile(join(rig.mediaDir, path), kept);
});

test("prompt: the named row is set back, the others stay, and nothing of a row is in workflow history", async () => {
  await rig.database.query(
    "UPDATE guests SET notes = 'geheim-' || first_name, updated_at = now() WHERE id IN (SELECT id FROM guests WHERE organization_id = $1 ORDER BY id LIMIT 3)",
    [organizationId],
  );
  const order = await restores.order({ strategy: "prompt", approval: "ask", ...first });
  const progress = await restores.untilItWaits(order, "decisions");
  expect(progress.waiting?.undecided).toBe(3);
  const target = createRestoreTarget({ url: rig.database.url });
  const { rows } = await target.readDifferences(order.restoreId, {
    table: "public.guests",
    kind: "changed",
    after: 0,
    limit: 10,
  });
  expect(rows).toHaveLength(3);
  await expect(
    decideConflicts(rig.client, order, [{ number: 1_000_000, decision: "keep live" }]),
  ).rejects.toMatchObject({
    code: "DecisionInvalid",
  });
  const [named, ...rest] = rows.map((row) => row.number);
  const left = await decideConflicts(rig.client, order, [
    { number: named ?? 0, decision: "take backup" },
    ...rest.map((number) => ({ number, decision: "keep live" as const })),
  ]);
  expect(left).toEqual({ undecided: 0 });
  // A row that changes after it was decided is asked again.
  await rig.database.query("UPDATE guests SET notes = 'geheim-again' WHERE id = $1", [rows[0]?.key["id"]]);
  await approveRestore(rig.client, order, "ada");
  const again = await eventually("the row to be asked again", async () => {
    const seen = await readRestoreProgress(rig.client, order);
    return seen?.askedAgain === 1 && seen.waiting;
  });
  expect(again.undecided).toBe(1);
  await decideConflicts(rig.client, order, [{ number: named ?? 0, decision: "take backup" }]);
  await followRestore(rig.client, order);
  const notes = await rig.database.query<{ notes: string | null }>(
    "SELECT notes FROM guests WHERE organization_id = $1 AND notes LIKE 'geheim-%'",
    [organizationId],
  );
  expect(notes).toHaveLength(2);

  const history = await rig.client.workflow.getHandle(restoreWorkflowId(order)).fetchHistory();
  const text = JSON.stringify(history, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : value,
  );
  expect(text).toContain(order.restoreId);
  expect(text).not.toContain("geheim");
  for (const { first_name } of await rig.database.query<{ first_name: string }>(
    "SELECT DISTINCT first_name FROM guests",
  ))
    expect(text).not.toContain(`"${first_name}"`);
  await restores.restore(first);
  expect(await checksumsOf(rig, organizationId)).toEqual(before);
  await restores.expectNothingLeft();
});

test("a backup and a restore exclude each other, and a second restore is refused while one waits", async () => {
  const order = await restores.order({ approval: "ask" });
  await restores.untilItWaits(order, "approval");
  await expect(restores.restore()).rejects.toMatchObject({ code: "OrganizationBusy" });
  const backup = await rig.backUp(organizationId);
  expect(backup.status).toBe("completed");
  await approveRestore(rig.client, order, "ada");
  await followRestore(rig.client, order);
  await restores.expectNothingLeft();
});

test("drift that would lose data is refused by name before anything is touched", async () => {
  await rig.database.query("ALTER TABLE vendors ADD COLUMN must_have text");
  await rig.database.query("UPDATE vendors SET must_have = ''");
  await rig.database.query("ALTER TABLE vendors ALTER COLUMN must_have SET NOT NULL");
  try {
    await expect(restores.restore()).rejects.toMatchObject({ code: "SchemaDrifted" });
    await restores.expectNothingLeft();
  } finally {
    await rig.database.query("ALTER TABLE vendors DROP COLUMN must_have");
  }
});

test("at a time between two backups the one before is taken; before the first, none", async () => {
  const vault = await rig.repository.openVault(organizationId);
  const earlier = (await vault.listManifests()).findLast((each) => each.beforeRestore !== true)?.sequence;
  const { sequence } = await rig.backUp(organizationId);
  const { manifest } = await vault.readManifest(sequence);
  const justBefore = new Date(Date.parse(manifest.snapshot.takenAt) - 1).toISOString();
  const order = await restores.order({ dryRun: true, previewMs: 1, choice: { by: "time", at: justBefore } });
  expect((await followRestore(rig.client, order)).backup.sequence).toBe(earlier);
  const exact = await restores.order({
    dryRun: true,
    previewMs: 1,
    choice: { by: "time", at: manifest.snapshot.takenAt },
  });
  expect((await followRestore(rig.client, exact)).backup.sequence).toBe(sequence);
  await expect(restores.restore({ choice: { by: "time", at: "2001-01-01T00:00:00Z" } })).rejects.toMatchObject({
    code: "BackupNotFound",
  });
});

test("single records whose keys are not kept are refused before anything is touched", async () => {
  await expect(restores.restore({ records: 1 })).rejects.toMatchObject({
    code: "UsageInvalid",
    message: expect.stringContaining("single records that were ordered are not kept"),
  });
  await restores.expectNothingLeft();
});

// One command into a folder and a database, of which only one comes about: the error says which, and its command for the rest
// does just that.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createKillableRecovery, type KillableRecovery } from "../support/killable-recovery.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

const nowhere = "postgres://somebody:their-secret@127.0.0.1:1/none";
let recovery: KillableRecovery;
let target: TestDatabase;
let folder: string;

beforeAll(async () => {
  [recovery, target] = [await createKillableRecovery(), await createTestDatabase()];
  folder = await mkdtemp(join(tmpdir(), "recover-both-"));
});
afterAll(async () => {
  await target.drop();
  await recovery.close();
  await rm(folder, { recursive: true, force: true });
});

async function recoverBoth(to: string, more: readonly string[] = []): Promise<{ code: string; message: string }> {
  const { stdout } = await recovery.start(nowhere, ["recover", "latest", "-o", "1", "--to", to, ...more]).ended;
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
  expect(stdout).not.toContain("their-secret");
  return error;
}

test("the folder is there and the database is not: the rest is named, also by the same command again, and can be done", async () => {
  const to = join(folder, "one");
  const rest = `For the database alone: wedsync-backup recover ${recovery.backup.manifest.backupId} --organization 1`;
  const failed = await recoverBoth(to);
  expect(failed.code).toBe("RecoverTargetUnreachable");
  expect(failed.message).toContain(`The folder ${to} is complete. ${rest}`);
  const again = await recoverBoth(to);
  expect(again.code).toBe("RecoverTargetNotEmpty");
  expect(again.message).toContain(`It holds this backup already, complete. ${rest}`);
  const [, words = ""] = /alone: wedsync-backup (.*)$/.exec(again.message) ?? [];
  const { code, stdout } = await recovery.start(target.url, words.split(" ")).ended;
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { folder: null, database: { wasThere: false } }]);
});

test("a database that was named by an option is to be named again; its URL is not repeated", async () => {
  const { message } = await recoverBoth(join(folder, "two"), ["--to-database", nowhere]);
  expect(message).toMatch(/--organization 1 --to-database URL$/);
});

test("a folder of somebody else's is nothing to go on from", async () => {
  const to = await mkdtemp(join(folder, "mine-"));
  for (const receipt of ["mine", "null", '{"backupId":"another","lost":[]}']) {
    await writeFile(join(to, "recovered.json"), receipt);
    const { code, message } = await recoverBoth(to);
    expect([code, message.includes("already")]).toEqual(["RecoverTargetNotEmpty", false]);
  }
});

// The data folder has one holder, however many ask for it at about the same time, and whatever a killed one left in it.
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { BackupError } from "../../../src/domain/errors.ts";
import { lockDataFolder, type DataFolder } from "../../../src/local/data-folder.ts";

let path: string;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "wedsync-backup-folder-"));
});
afterEach(async () => await rm(path, { recursive: true, force: true }));

/** No process has this number: it is above Linux' highest. */
const dead = { pid: 2 ** 23, startedAt: "1", host: "here", since: "2026-01-01T00:00:00Z", token: "dead" };

/** A few milliseconds apart: who asks in the same instant as the first is refused by any lock. */
const asked = async (): Promise<{ holders: DataFolder[]; refusals: unknown[] }> => {
  const ask = (_: unknown, index: number) => wait(index % 4).then(() => lockDataFolder(path));
  const answers = await Promise.allSettled(Array.from({ length: 20 }, ask));
  return {
    holders: answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : [])),
    refusals: answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason] : [])),
  };
};

test.each([
  ["an empty folder", null],
  ["a killed process' lock", JSON.stringify(dead)],
  ["a lock that a power cut emptied", ""],
])("of twenty that ask at about the same time for %s, one has it, and leaves nothing", async (_what, left) => {
  for (let round = 0; round < 40; round++) {
    if (left !== null) await writeFile(join(path, "lock.json"), left);
    const { holders, refusals } = await asked();
    expect(holders).toHaveLength(1);
    for (const refusal of refusals)
      expect(refusal).toMatchObject({ code: "DataFolderBusy", details: { pid: process.pid } });
    expect(JSON.parse(await readFile(join(path, "lock.json"), "utf8"))).toMatchObject({ pid: process.pid });
    await holders[0]?.release();
    expect(await readdir(path)).toEqual([]);
  }
});

test("a later process with a dead holder's number is not taken for it", async () => {
  await writeFile(join(path, "lock.json"), JSON.stringify({ ...dead, pid: process.pid }));
  const folder = await lockDataFolder(path);
  await expect(lockDataFolder(path)).rejects.toBeInstanceOf(BackupError);
  await folder.release();
});

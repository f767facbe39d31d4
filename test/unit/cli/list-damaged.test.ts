import { expect, test } from "@jest/globals";
import { createMemoryStore } from "../../../src/adapters/object-store/memory.ts";
import { findBackup } from "../../../src/cli/find-backup.ts";
import { runList } from "../../../src/cli/list.ts";
import type { Session } from "../../../src/cli/session.ts";
import { manifestKey } from "../../../src/repository/names.ts";
import { firstOrganization, makeSmallRepository } from "../../support/small-repository.ts";

test("list and show give the whole backups and name the damaged one", async () => {
  const store = createMemoryStore();
  const { repository } = await makeSmallRepository(store);
  const damagedKey = manifestKey(firstOrganization, 2);
  store.objects.set(damagedKey, Buffer.from("not a manifest"));
  const results: { backups: { sequence: number }[]; damaged: { code: string; message: string }[] }[] = [];
  const texts: string[] = [];
  const said: string[] = [];
  const output = {
    json: false,
    result: (value: (typeof results)[number], human: () => string) => void (results.push(value), texts.push(human())),
    say: (line: string) => void said.push(line),
    progress: () => {},
  };
  const session = { output, repository: async () => repository, knownControl: async () => null } as unknown as Session;

  expect(await runList(session, { organization: firstOrganization })).toBe(3);
  expect(results[0]?.backups.map((each) => each.sequence)).toEqual([1, 3]);
  expect(results[0]?.damaged.map((each) => each.code)).toEqual(["ObjectCorrupt"]);
  expect(texts[0]).toContain(damagedKey);

  expect((await findBackup(session, "1", firstOrganization)).manifest.sequence).toBe(1);
  expect(said.join("\n")).toContain(damagedKey);
  await expect(findBackup(session, "2", firstOrganization)).rejects.toMatchObject({ code: "ObjectCorrupt" });
});

// A backup that every checksum proves can still contradict itself: consistency finds each way.
import { beforeEach, expect, test } from "@jest/globals";
import { createMemoryStore } from "../../../src/adapters/object-store/memory.ts";
import type { Manifest } from "../../../src/repository/manifest.ts";
import { createOrOpenRepository } from "../../../src/repository/repository.ts";
import type { OrganizationVault } from "../../../src/repository/vault.ts";
import { verifyConsistency } from "../../../src/repository/verify-consistency.ts";
import { describeSchema, describeTable } from "../../support/schema-builder.ts";
import { smallKey, writeBackup } from "../../support/small-repository.ts";

const schema = describeSchema([
  describeTable("public.organizations", { columns: { id: "integer!" } }),
  describeTable("public.guests", {
    columns: { id: "integer!", organization_id: "integer!" },
    keys: ["organization_id → public.organizations"],
  }),
  describeTable("public.gifts", {
    columns: { id: "integer!", guest_id: "integer" },
    keys: ["guest_id → public.guests"],
  }),
]);
const sound = { organizations: "1\n", guests: "1\t1\n2\t1\n", gifts: "1\t1\n2\t2\n3\t\\N\n" };

let vault: OrganizationVault;
beforeEach(async () => {
  const repository = await createOrOpenRepository(createMemoryStore(), smallKey);
  vault = await repository.openVault("1", { create: true });
});

async function problemsOf(rows: Partial<typeof sound>, more: Partial<Manifest> = {}): Promise<string[]> {
  const table = (columns: readonly string[], text: string) => ({ keyColumnCount: 1, columns, rows: text });
  const all = { ...sound, ...rows };
  const manifest = await writeBackup(vault, {
    tables: {
      "public.organizations": table(["id"], all.organizations),
      "public.guests": table(["id", "organization_id"], all.guests),
      "public.gifts": table(["id", "guest_id"], all.gifts),
    },
    files: {},
  });
  const { problems } = await verifyConsistency(vault, { ...manifest, schema, ...more });
  return problems.map(({ key, message }) => `${key}: ${message}`);
}

test("a sound one has no problem", async () => expect(await problemsOf({})).toEqual([]));

const cases: readonly (readonly [what: string, rows: Partial<typeof sound>, problems: readonly string[]])[] = [
  [
    "its own row is not there",
    { organizations: "", guests: "", gifts: "" },
    ["public.organizations: the organization's own row is there 0 times"],
  ],
  [
    "another's row is there, too",
    { organizations: "1\n2\n" },
    ["public.organizations: the organization's own row is there 2 times"],
  ],
  [
    "a row that others refer to is there twice",
    { guests: "1\t1\n2\t1\n2\t1\n" },
    ["public.guests: 1 rows share a primary key"],
  ],
  [
    "a row refers to one that is not there",
    { gifts: "1\t1\n2\t9\n" },
    ["public.gifts (key_1): 1 rows point at rows of public.guests that are not in the backup"],
  ],
];

test.each(cases)("%s", async (_what, rows, problems) => expect(await problemsOf(rows)).toEqual(problems));

test("rows that point at another organization's are no problem where the manifest counts them, and no more than it counts", async () => {
  const foreignRows = [{ table: "public.gifts", key: "key_1", parent: "public.guests", rows: 1 }];
  expect(await problemsOf({ gifts: "1\t1\n2\t9\n" }, { foreignRows })).toEqual([]);
  expect(await problemsOf({ gifts: "1\t8\n2\t9\n" }, { foreignRows })).toEqual([
    "public.gifts (key_1): 1 rows point at rows of public.guests that are not in the backup",
  ]);
});

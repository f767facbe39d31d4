// A stored pack's memory is free at once, and not when the collector comes by: a worker's memory is bounded by that.
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createMemoryStore } from "../../src/adapters/object-store/memory.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { createOrOpenRepository } from "../../src/repository/repository.ts";
import { catalogueOf } from "../support/schema-builder.ts";
import { makeStagedBackup } from "../support/staged-backup.ts";
import { createTestDatabase, onServer, type TestDatabase } from "../support/test-database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  // More than two batches, of texts that don't become smaller: a batch ends at 16 MiB.
  await onServer(
    database.url,
    `CREATE TABLE orgs (id integer PRIMARY KEY);
     CREATE TABLE notes (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, text text NOT NULL);
     INSERT INTO orgs VALUES (1);
     INSERT INTO notes SELECT i, 1, (SELECT string_agg(md5(i || '.' || j), '') FROM generate_series(1, 64) AS j) FROM generate_series(1, 40000) AS i`,
  );
});
afterAll(() => database.drop());

test("when the next object is stored, no pack before it has its memory any more", async () => {
  const store = createMemoryStore();
  /** Of each pack that was stored: its key, how long it was, and the memory that it lay in. */
  const packs: { readonly key: string; readonly bytes: number; readonly memory: Uint8Array }[] = [];
  const kept: string[] = [];
  const watching: ObjectStore = {
    ...store,
    create: async (key, bytes, ...more) => {
      kept.push(
        ...packs.filter(({ memory }) => memory.byteLength > 0).map((pack) => `${pack.key} while ${key} is stored`),
      );
      if (key.includes("/packs/")) packs.push({ key, bytes: bytes.byteLength, memory: bytes });
      return await store.create(key, bytes, ...more);
    },
  };
  const repository = await createOrOpenRepository(watching, randomBytes(32).toString("base64"));
  const catalogue = catalogueOf(["public.orgs", "public.notes"]);
  const { packBytes } = await makeStagedBackup({ url: database.url, catalogue, repository, organizationId: "1" });
  expect(packs.length).toBeGreaterThan(1);
  expect(packs.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(packBytes);
  expect(kept).toEqual([]);
});

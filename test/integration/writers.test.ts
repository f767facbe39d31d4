// A backup while others write shows one moment: each table's rows are the ones that a plain COPY sees under its snapshot.
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Client } from "pg";
import { loadCatalogue } from "../../src/config/load-catalogue.ts";
import type { Catalogue } from "../../src/domain/catalogue.ts";
import { fillOrganization } from "../../src/domain/sql-quoting.ts";
import { planTenantClosure } from "../../src/domain/tenant-closure.ts";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { readTableRows } from "../../src/repository/read-table.ts";
import { startWriters, type Writers } from "../../src/samples/writers.ts";
import { backUpOrganization, copyOut, sortLines } from "../support/recover-fixture.ts";
import { createWeddings } from "../support/sample-weddings.ts";
import type { TestDatabase } from "../support/test-database.ts";
import { waitUntil } from "../support/wait-until.ts";

let database: TestDatabase;
let organizationIds: readonly string[];
let catalogue: Catalogue;
let writers: Writers;

beforeEach(async () => {
  ({ database, organizationIds } = await createWeddings({ seed: 5 }));
  catalogue = await loadCatalogue(null);
  writers = await startWriters({ databaseUrl: database.url, organizationIds, writers: 3, seed: 1 });
});

afterEach(async () => {
  try {
    await writers.stop();
  } finally {
    await database.drop();
  }
});

async function copyUnder(snapshotName: string, organizationId: string): Promise<Map<string, Buffer>> {
  const source = createPostgresSource({ url: database.url });
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    const { tables } = planTenantClosure(await source.readSchema(catalogue.schemas), catalogue);
    await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '${snapshotName}'`);
    await client.query("SET timezone = 'UTC'");
    const found = new Map<string, Buffer>();
    for (const { table, rowsSql } of tables)
      found.set(table, await copyOut(client, fillOrganization(rowsSql, organizationId)));
    return found;
  } finally {
    await client.end();
    await source.close();
  }
}

test("three backups under writers are each a moment, and not the same one", async () => {
  const organizationId = organizationIds[0] as string;
  const checksums = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const before = writers.changes();
    await waitUntil("writers changed rows", () => writers.changes() > before + 30);
    let expected = new Map<string, Buffer>();
    const whileHeld = async (snapshotName: string): Promise<void> => {
      // Writers go on: what is read now is read later than the backup's rows were, under the same snapshot.
      const then = writers.changes();
      await waitUntil("writers changed rows", () => writers.changes() > then + 30);
      expected = await copyUnder(snapshotName, organizationId);
    };
    const { vault, manifest } = await backUpOrganization({ url: database.url, catalogue, organizationId, whileHeld });
    expect(manifest.tables.map(({ table }) => table).sort()).toEqual([...expected.keys()].sort());
    for (const entry of manifest.tables) {
      const chunks: Buffer[] = [];
      for await (const raw of readTableRows(vault, manifest, entry)) chunks.push(raw);
      const stored = sortLines(Buffer.concat(chunks));
      expect([entry.table, stored]).toEqual([entry.table, sortLines(expected.get(entry.table) as Buffer)]);
    }
    checksums.add(manifest.tables.map(({ checksum }) => checksum).join());
  }
  expect(checksums.size).toBe(3);
});

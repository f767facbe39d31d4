// Nothing knows weddings: a ticketing service with numbered tenants and keys of two columns, its catalogue suggested from
// its foreign keys, comes back byte for byte.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import type { Catalogue } from "../../src/domain/catalogue.ts";
import { suggestCatalogue } from "../../src/domain/catalogue-suggest.ts";
import { recoverToDatabase } from "../../src/recover/recover-to-database.ts";
import {
  backUpOrganization,
  checksumOf,
  copyLive,
  copyRecovered,
  sortLines,
  type RecoverableBackup,
} from "../support/recover-fixture.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

const schemaSql = `
  CREATE TABLE tenants (id bigint PRIMARY KEY, name text NOT NULL);
  CREATE TABLE agents (
    tenant_id bigint NOT NULL REFERENCES tenants, id bigint NOT NULL, email text NOT NULL, PRIMARY KEY (tenant_id, id)
  );
  CREATE TABLE tickets (
    tenant_id bigint NOT NULL REFERENCES tenants, id bigint NOT NULL, subject text NOT NULL, agent_id bigint,
    merged_into bigint, opened_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents,
    FOREIGN KEY (tenant_id, merged_into) REFERENCES tickets
  );
  CREATE TABLE replies (
    tenant_id bigint NOT NULL, ticket_id bigint NOT NULL, id bigint NOT NULL, body text, PRIMARY KEY (tenant_id, ticket_id, id),
    FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets ON DELETE CASCADE
  );
  CREATE TABLE labels (tenant_id bigint NOT NULL REFERENCES tenants, id bigint NOT NULL, word text, PRIMARY KEY (tenant_id, id));
  CREATE TABLE ticket_labels (
    tenant_id bigint NOT NULL, ticket_id bigint NOT NULL, label_id bigint NOT NULL,
    PRIMARY KEY (tenant_id, ticket_id, label_id),
    FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets,
    FOREIGN KEY (tenant_id, label_id) REFERENCES labels
  );
  INSERT INTO tenants VALUES (1, 'one'), (11, 'eleven'), (9007199254740993, 'beyond what a double counts');
  INSERT INTO agents SELECT t.id, i, i || '@' || t.id FROM tenants t, generate_series(1, 5) i;
  INSERT INTO tickets SELECT t.id, i, 'ticket ' || i || ' of ' || t.name, CASE WHEN i % 3 > 0 THEN 1 + i % 5 END,
    CASE WHEN i % 10 = 0 THEN i - 1 END, timestamptz '2025-01-01Z' + i * interval '1.000001 s'
    FROM tenants t, generate_series(1, 200) i;
  INSERT INTO replies SELECT t.tenant_id, t.id, i, E'tab\\t and \\\\ of ' || t.tenant_id FROM tickets t, generate_series(1, 3) i;
  INSERT INTO labels SELECT t.id, i, 'label ' || i FROM tenants t, generate_series(1, 4) i;
  INSERT INTO ticket_labels SELECT tenant_id, id, 1 + id % 4 FROM tickets;`;

const organizationId = "9007199254740993"; // one above it would be another tenant, where numbers are doubles
const names = ["agents", "labels", "replies", "tenants", "ticket_labels", "tickets"].map((name) => `public.${name}`);

let live: TestDatabase;
let recovered: TestDatabase;
let catalogue: Catalogue;
let backup: RecoverableBackup;

beforeAll(async () => {
  live = await createTestDatabase();
  await live.query(schemaSql);
  const source = createPostgresSource({ url: live.url });
  try {
    ({ catalogue } = suggestCatalogue(await source.readSchema(["public"]), "public.tenants", ["public"]));
  } finally {
    await source.close();
  }
  backup = await backUpOrganization({ url: live.url, catalogue, organizationId });
  recovered = await createTestDatabase();
  await recoverToDatabase({ ...backup, databaseUrl: recovered.url });
});

afterAll(async () => {
  await live.drop();
  await recovered?.drop();
});

test("the suggested catalogue holds every table, and the backup this tenant's rows only", () => {
  expect(catalogue.dataSets.flatMap(({ tables }) => tables).sort()).toEqual(names);
  const rows = Object.fromEntries(backup.manifest.tables.map((table) => [table.table, table.rows]));
  expect(rows).toEqual({
    "public.agents": 5,
    "public.labels": 4,
    "public.replies": 600,
    "public.tenants": 1,
    "public.ticket_labels": 200,
    "public.tickets": 200,
  });
  expect(backup.manifest.foreignRows).toEqual([]);
});

test("every table comes back byte for byte, with its keys", async () => {
  const { manifest, vault } = backup;
  const before = await copyLive(live.url, catalogue, manifest);
  const after = await copyRecovered(recovered.url, manifest);
  for (const { table, keyColumnCount, checksum } of manifest.tables) {
    const copy = after.get(table) as Buffer;
    expect([table, sortLines(copy)]).toEqual([table, sortLines(before.get(table) as Buffer)]);
    expect([table, checksumOf(vault, keyColumnCount, copy)]).toEqual([table, checksum]);
  }
  const keysSql = `SELECT conrelid::regclass::text AS "table", pg_get_constraintdef(oid) AS key, convalidated
    FROM pg_constraint WHERE contype IN ('p', 'f') ORDER BY 1, 2`;
  expect(await recovered.query(keysSql)).toEqual(await live.query(keysSql));
});

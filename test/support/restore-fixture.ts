// A live database, backups of one of its organizations, and what a restore is asked with. Everything real but Temporal.
import { randomUUID } from "node:crypto";
import { createRestoreTarget } from "../../src/adapters/postgres/restore/restore-target.ts";
import { createMemoryStore } from "../../src/adapters/object-store/memory.ts";
import { loadCatalogue } from "../../src/config/load-catalogue.ts";
import type { Catalogue } from "../../src/domain/catalogue.ts";
import { everything, type ConflictStrategy, type LiveOnly } from "../../src/domain/restore-request.ts";
import type { ApplyOptions, BackupContent, RestorePlanInput, RestoreTarget } from "../../src/ports/restore-target.ts";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { planTenantClosure } from "../../src/domain/tenant-closure.ts";
import { fillOrganization } from "../../src/domain/sql-quoting.ts";
import { readTableRows } from "../../src/repository/read-table.ts";
import { createOrOpenRepository } from "../../src/repository/repository.ts";
import { makePlainBackup } from "./plain-backup.ts";
import { createWeddings } from "./sample-weddings.ts";
import { createTestDatabase, onServer, type TestDatabase } from "./test-database.ts";

export interface RestoreFixture {
  readonly database: TestDatabase;
  readonly catalogue: Catalogue;
  readonly target: RestoreTarget;
  query<T = Record<string, unknown>>(sql: string, parameters?: readonly unknown[]): Promise<T[]>;
  backUp(organizationId: string): Promise<BackupContent>;
  plan(organizationId: string, backup: BackupContent, more?: Partial<RestorePlanInput>): RestorePlanInput;
  /** Every row of an organization with the transaction that wrote it: equal = nobody touched one. */
  fingerprint(organizationId: string): Promise<Record<string, string>>;
  /** Every row's text, without its transaction. */
  rows(organizationId: string): Promise<Record<string, string[]>>;
  drop(): Promise<void>;
}

export async function createRestoreFixture(schemaSql: string, catalogue: Catalogue): Promise<RestoreFixture> {
  const database = await createTestDatabase();
  await onServer(database.url, schemaSql);
  return openRestoreFixture(database, catalogue);
}

/** Of sample weddings, with a backup of the first organization. */
export async function createWeddingsFixture(seed: number) {
  const { database, organizationIds } = await createWeddings({ seed });
  const fixture = await openRestoreFixture(database, await loadCatalogue(null));
  const [organization = "", ...others] = organizationIds;
  return { fixture, organization, others, backup: await fixture.backUp(organization) };
}

export async function openRestoreFixture(database: TestDatabase, catalogue: Catalogue): Promise<RestoreFixture> {
  const repository = await createOrOpenRepository(createMemoryStore(), Buffer.alloc(32, 3).toString("base64"));
  const source = createPostgresSource({ url: database.url });

  const readEach = async (organizationId: string, expression: string): Promise<Record<string, string[]>> => {
    const closure = planTenantClosure(await source.readSchema(catalogue.schemas), catalogue);
    const found: Record<string, string[]> = {};
    for (const { table, rowsSql } of closure.tables) {
      const from = rowsSql.slice(rowsSql.indexOf(" FROM "));
      const sql = fillOrganization(`SELECT ${expression} AS row ${from} ORDER BY 1`, organizationId);
      found[table] = (await database.query<{ row: string }>(sql)).map(({ row }) => row);
    }
    return found;
  };

  return {
    database,
    catalogue,
    target: createRestoreTarget({ url: database.url }),
    query: (sql, parameters) => database.query(sql, parameters),
    async backUp(organizationId) {
      const vault = await repository.openVault(organizationId, { create: true });
      const manifest = await makePlainBackup({ url: database.url, catalogue, organizationId, vault });
      return {
        schema: manifest.schema,
        tables: manifest.tables.map((entry) => ({
          table: entry.table,
          columns: entry.columns,
          keyColumnCount: entry.keyColumnCount,
          rows: entry.rows,
          rawBytes: entry.rawBytes,
          checksum: entry.checksum,
          readRows: () => readTableRows(vault, manifest, entry),
        })),
      };
    },
    plan: (organizationId, backup, more = {}) => ({
      restoreId: randomUUID(),
      organizationId,
      targetOrganizationId: organizationId,
      catalogue,
      backup,
      selection: everything,
      strategy: "overwrite",
      liveOnly: "keep",
      renamedColumns: {},
      mergeBase: null,
      leftOverIds: "stop",
      ...more,
    }),
    async fingerprint(organizationId) {
      const rows = await readEach(organizationId, "t.xmin::text || ' ' || (t.*)::text");
      return Object.fromEntries(Object.entries(rows).map(([table, texts]) => [table, texts.join("\n")]));
    },
    rows: (organizationId) => readEach(organizationId, "(t.*)::text"),
    async drop() {
      await source.close();
      await database.drop();
    },
  };
}

export const optionsOf = (
  strategy: ConflictStrategy,
  liveOnly: LiveOnly = "keep",
  defaultDecision: ApplyOptions["defaultDecision"] = null,
): ApplyOptions => ({ strategy, liveOnly, defaultDecision });

/** Stage, compare, apply, in the order of the workflow. @throws what any of them throws. */
export async function restore(fixture: RestoreFixture, input: RestorePlanInput) {
  await fixture.target.stage(input, () => {});
  const differences = await fixture.target.diff(input);
  const result = await fixture.target.apply(input, optionsOf(input.strategy, input.liveOnly));
  return { differences, result };
}

// A backup of one organization in memory, and its rows as the live and as the recovered database give them.
import { Client } from "pg";
import { to as copyTo } from "pg-copy-streams";
import { createMemoryStore, type MemoryStore } from "../../src/adapters/object-store/memory.ts";
import type { Catalogue } from "../../src/domain/catalogue.ts";
import { fromTable } from "../../src/domain/membership-sql.ts";
import { fillOrganization, quoteIdentifier } from "../../src/domain/sql-quoting.ts";
import { planTenantClosure } from "../../src/domain/tenant-closure.ts";
import type { MediaSource } from "../../src/ports/media-source.ts";
import type { Manifest } from "../../src/repository/manifest.ts";
import { createOrOpenRepository } from "../../src/repository/repository.ts";
import { RowSegmenter } from "../../src/repository/row-segmenter.ts";
import type { OrganizationVault } from "../../src/repository/vault.ts";
import { makePlainBackup } from "./plain-backup.ts";

export interface RecoverableBackup {
  readonly store: MemoryStore;
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
}

export async function backUpOrganization(input: {
  readonly url: string;
  readonly catalogue: Catalogue;
  readonly organizationId: string;
  readonly media?: MediaSource;
  readonly whileHeld?: (snapshotName: string) => Promise<void>;
}): Promise<RecoverableBackup> {
  const store = createMemoryStore();
  const repository = await createOrOpenRepository(store, Buffer.alloc(32, 9).toString("base64"));
  const vault = await repository.openVault(input.organizationId, { create: true });
  return { store, vault, manifest: await makePlainBackup({ ...input, vault }) };
}

/** The COPY text of each table, as the live database gives this organization's rows. */
export async function copyLive(url: string, catalogue: Catalogue, manifest: Manifest): Promise<Map<string, Buffer>> {
  const { tables } = planTenantClosure(manifest.schema, catalogue);
  return copyEach(
    url,
    tables.map(({ table, rowsSql }) => [table, fillOrganization(rowsSql, manifest.organizationId)]),
  );
}

/** The same of a database that holds this organization only. */
export function copyRecovered(url: string, manifest: Manifest): Promise<Map<string, Buffer>> {
  return copyEach(
    url,
    manifest.tables.map(({ table, columns }) => {
      const described = manifest.schema.tables.find((each) => each.name === table);
      if (described === undefined) throw new Error(`the manifest does not describe ${table}`);
      return [table, `SELECT ${columns.map(quoteIdentifier).join(", ")} FROM ${fromTable(described)}`];
    }),
  );
}

export const sortLines = (copy: Buffer): string[] => copy.toString("latin1").split("\n").slice(0, -1).sort();

/** In any order of the rows. */
export function checksumOf(vault: OrganizationVault, keyColumnCount: number, copy: Buffer): string {
  const segmenter = new RowSegmenter({ seed: vault.cutSeed, keyColumnCount });
  segmenter.push(copy);
  segmenter.end();
  return segmenter.checksum;
}

async function copyEach(url: string, selects: readonly (readonly [string, string])[]): Promise<Map<string, Buffer>> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("SET timezone = 'UTC'; SET lc_monetary = 'C'; SET search_path = ''");
    const found = new Map<string, Buffer>();
    for (const [table, select] of selects) found.set(table, await copyOut(client, select));
    return found;
  } finally {
    await client.end();
  }
}

export async function copyOut(client: Client, select: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of client.query(copyTo(`COPY (${select}) TO STDOUT`)) as AsyncIterable<Buffer>)
    chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

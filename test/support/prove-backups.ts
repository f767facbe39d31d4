// The proof that a test ends with: what is listed restores, and nothing else is there.
import { planTenantClosure } from "../../src/domain/tenant-closure.ts";
import { quoteIdentifier, quoteTable } from "../../src/domain/sql-quoting.ts";
import { recoverToDatabase } from "../../src/recover/recover-to-database.ts";
import { verifyContent } from "../../src/repository/verify-content.ts";
import { verifyIntegrity } from "../../src/repository/verify-integrity.ts";
import { openRepository } from "../../src/repository/repository.ts";
import type { Manifest } from "../../src/repository/manifest.ts";
import type { BackupRig } from "./backup-rig.ts";
import { createTestDatabase } from "./test-database.ts";

export interface Proof {
  readonly manifests: readonly Manifest[];
  readonly unnamedPacks: number;
}

/**
 * By a repository opened afresh: every stored byte is intact, every listed backup's content is whole, and the newest comes
 * back into an empty database with the rows that the live one has (the test must not have changed them meanwhile).
 */
export async function proveBackups(
  rig: BackupRig,
  organizationId: string,
  { compareLive = true }: { compareLive?: boolean } = {},
): Promise<Proof> {
  const repository = await openRepository(rig.store, rig.key);
  if (!(await repository.listOrganizations()).includes(organizationId)) return { manifests: [], unnamedPacks: 0 };
  const vault = await repository.openVault(organizationId);
  const integrity = await verifyIntegrity(rig.store, organizationId, vault.exportVerificationKey());
  if (integrity.problems.length > 0) throw new Error(`not intact: ${JSON.stringify(integrity.problems)}`);
  const manifests: Manifest[] = [];
  for (const { sequence } of await vault.listManifests()) manifests.push((await vault.readManifest(sequence)).manifest);
  for (const manifest of manifests) {
    const { problems } = await verifyContent(vault, manifest);
    if (problems.length > 0) throw new Error(`backup ${manifest.sequence}: ${JSON.stringify(problems)}`);
  }
  const newest = manifests.at(-1);
  if (newest !== undefined) {
    const scratch = await createTestDatabase();
    try {
      await recoverToDatabase({ vault, manifest: newest, databaseUrl: scratch.url });
      if (compareLive) await compareRows(rig, newest, scratch.url);
    } finally {
      await scratch.drop();
    }
  }
  const named = new Set(manifests.flatMap((manifest) => manifest.packs.map((pack) => pack.name)));
  const packs = await rig.packNames(organizationId);
  return { manifests, unnamedPacks: packs.filter((name) => !named.has(name)).length };
}

/** Row by row as text, whatever their order; not by the code that made the backup. */
async function compareRows(rig: BackupRig, manifest: Manifest, scratchUrl: string): Promise<void> {
  const { onServer } = await import("./test-database.ts");
  const closure = planTenantClosure(await rig.source.readSchema(rig.catalogue.schemas), rig.catalogue);
  const digest = (rowsSql: string): string =>
    `SELECT count(*)::int AS rows, md5(coalesce(string_agg(r::text, E'\\n' ORDER BY r::text COLLATE "C"), '')) AS digest FROM (${rowsSql}) AS r`;
  for (const entry of manifest.tables) {
    const table = closure.tables.find((candidate) => candidate.table === entry.table);
    if (table === undefined) throw new Error(`${entry.table} is not of the organization`);
    const columns = entry.columns.map(quoteIdentifier).join(", ");
    const [live] = await rig.database.query(digest(table.rowsSql), [manifest.organizationId]);
    const [back] = await onServer(scratchUrl, digest(`SELECT ${columns} FROM ${quoteTable(entry.table)}`));
    if (JSON.stringify(live) !== JSON.stringify(back))
      throw new Error(`${entry.table}: live ${JSON.stringify(live)}, recovered ${JSON.stringify(back)}`);
  }
}

// Which earlier manifests a backup builds on. A backup of some data sets knows nothing of the others: after it, the newest
// full one still does. Without looking further back, everything else would be read and stored again.
import type { ReadManifest } from "../src/repository/stored-manifests.ts";
import type { OrganizationVault } from "../src/repository/vault.ts";

/** So many backups of some data sets in a row are looked through; beyond, what they miss is stored once more. */
const maxPartial = 20;
/** What a backup builds on at most: those, and a full one. */
export const mostBases = maxPartial + 1;

/** Newest first, up to the first that covers all data sets. */
export async function readBases(vault: OrganizationVault): Promise<readonly ReadManifest[]> {
  const newest = await vault.latestManifest();
  if (newest === null) return [];
  const bases = [newest];
  if (newest.manifest.dataSets === undefined) return bases;
  const older = (await vault.listManifests())
    .map((header) => header.sequence)
    .filter((sequence) => sequence < newest.manifest.sequence)
    .sort((a, b) => b - a);
  for (const sequence of older.slice(0, maxPartial)) {
    const base = await vault.readManifest(sequence);
    bases.push(base);
    if (base.manifest.dataSets === undefined) break;
  }
  return bases;
}

// Which backup is meant by "the latest", or by a moment: never one that was made right before a restore. It shows what the
// restore was ordered against; by its number or id it can still be had.
import { BackupError } from "../domain/errors.ts";
import type { ManifestHeader } from "./manifest-object.ts";
import type { OrganizationVault } from "./vault.ts";

/** Newest first. Ends by the error of a damaged one, for that may be the one that is meant. */
export async function* walkBackups(vault: OrganizationVault): AsyncIterable<ManifestHeader> {
  for await (const header of vault.walkManifests()) if (header.beforeRestore !== true) yield header;
}

/** Null where there is none. */
export async function findLatest(vault: OrganizationVault): Promise<ManifestHeader | null> {
  for await (const header of walkBackups(vault)) return header;
  return null;
}

/** A damaged one is named to `onDamaged`; only where the one that was asked for is not found, it is why. */
export async function findNamed(
  vault: OrganizationVault,
  isIt: (header: ManifestHeader) => boolean,
  onDamaged: (error: BackupError) => void = () => {},
): Promise<ManifestHeader | null> {
  const damaged: BackupError[] = [];
  const header = (await vault.listManifests({ onDamaged: (error) => void damaged.push(error) })).find(isIt);
  for (const error of damaged) onDamaged(error);
  if (header !== undefined) return header;
  if (damaged[0] !== undefined) throw damaged[0];
  return null;
}

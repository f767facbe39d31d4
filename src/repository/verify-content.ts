// Content: everything that one manifest names is read from the store, authenticated, decrypted, decompressed, and proven
// against the manifest's row counts, checksums and file hashes. By the same readers that a recovery uses.
import type { Problem } from "./damage.ts";
import { tableSegments, type Manifest } from "./manifest.ts";
import { ProvingReader } from "./proving-reader.ts";
import { readMediaFile, readTableRows } from "./read-table.ts";
import type { OrganizationVault } from "./vault.ts";

export interface ContentReport {
  readonly segments: number;
  /** Raw bytes proven. */
  readonly bytes: number;
  readonly rows: number;
  readonly problems: readonly Problem[];
}

export async function verifyContent(
  vault: OrganizationVault,
  manifest: Manifest,
  onProgress?: (progress: { bytes: number }) => void,
): Promise<ContentReport> {
  const reader = new ProvingReader(onProgress);
  let rows = 0;
  for (const table of manifest.tables) {
    if (await reader.read(table.table, readTableRows(vault, manifest, table))) rows += table.rows;
  }
  for (const file of manifest.media.files) await reader.read(file.path, readMediaFile(vault, manifest, file));
  return { segments: countSegments(manifest), bytes: reader.bytes, rows, problems: reader.problems };
}

export const countSegments = ({ tables, media }: Manifest): number =>
  tables.reduce((sum, table) => sum + tableSegments(table).length, 0) +
  media.files.reduce((sum, file) => sum + file.parts.length, 0);

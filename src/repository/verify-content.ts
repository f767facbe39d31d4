// Content: everything that one manifest names is read from the store, authenticated, decrypted, decompressed, and proven
// against the manifest's row counts, checksums and file hashes. By the same readers that a recovery uses.
import { isDamage, type Problem } from "./damage.ts";
import { freeMemory } from "./owned-memory.ts";
import { tableSegments, type Manifest } from "./manifest.ts";
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
  const problems: Problem[] = [];
  let bytes = 0;
  let rows = 0;
  const prove = async (name: string, content: AsyncIterable<Buffer>): Promise<boolean> => {
    try {
      for await (const raw of content) {
        bytes += raw.length;
        onProgress?.({ bytes });
        freeMemory(raw);
      }
      return true;
    } catch (error) {
      // One damaged table must not hide that the others are whole; anything else (no storage) ends the proof.
      if (!isDamage(error)) throw error;
      problems.push({ key: name, code: error.code, message: error.message });
      return false;
    }
  };
  for (const table of manifest.tables) {
    if (await prove(table.table, readTableRows(vault, manifest, table))) rows += table.rows;
  }
  for (const file of manifest.media.files) await prove(file.path, readMediaFile(vault, manifest, file));
  const segments =
    manifest.tables.reduce((sum, table) => sum + tableSegments(table).length, 0) +
    manifest.media.files.reduce((sum, file) => sum + file.parts.length, 0);
  return { segments, bytes, rows, problems };
}

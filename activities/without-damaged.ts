// What a verification found damaged is no ground to build on: its tables and files count as unknown, are read again, and
// their content is stored anew. Else each later backup would name the same damaged object, and fail its proof.
import { packKey } from "../src/repository/names.ts";
import { tableSegments, type Manifest, type SegmentReference } from "../src/repository/manifest.ts";
import type { ReadManifest } from "../src/repository/stored-manifests.ts";
import { fileProblemKey, mostProblems } from "./verify.ts";

/**
 * @param damage by backup: keys of problems, as verifications name them (an object, a table, or a file by its place). They
 *   count for all bases: an older one has the same content where the newer one has it from there.
 */
export function withoutDamaged(
  bases: readonly ReadManifest[],
  damage: ReadonlyMap<string, readonly string[]>,
): readonly ReadManifest[] {
  const keys = new Set(bases.flatMap(({ manifest }) => damage.get(manifest.backupId) ?? []));
  if (keys.size === 0) return bases;
  const paths = new Set(bases.flatMap(({ manifest }) => damagedPaths(manifest, damage.get(manifest.backupId) ?? [])));
  // A verification writes down so many problems and no more: what else it found is not known.
  const isAnyTrusted = keys.size < mostProblems;
  return bases.map(({ manifest, ...base }) => {
    const { organizationId, packs, tables, media } = manifest;
    const isWhole = ({ pack }: SegmentReference): boolean => {
      const name = packs[pack]?.name;
      return name !== undefined && !keys.has(packKey(organizationId, name));
    };
    const trusted = {
      tables: tables.filter((entry) => isAnyTrusted && !keys.has(entry.table) && tableSegments(entry).every(isWhole)),
      files: media.files.filter(({ path, parts }) => isAnyTrusted && !paths.has(path) && parts.every(isWhole)),
    };
    return { ...base, manifest: { ...manifest, tables: trusted.tables, media: { ...media, files: trusted.files } } };
  });
}

function damagedPaths({ media: { files } }: Manifest, keys: readonly string[]): string[] {
  return files.filter((_, place) => keys.includes(fileProblemKey(place, files.length))).map(({ path }) => path);
}

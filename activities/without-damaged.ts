// What a verification found damaged is no ground to build on: its tables and files count as unknown, are read again, and
// their content is stored anew. Else each later backup would name the same damaged object, and fail its proof.
import { packKey } from "../src/repository/names.ts";
import { tableSegments, type Manifest, type SegmentReference } from "../src/repository/manifest.ts";
import { fileProblemKey, mostProblems } from "./verify.ts";

/** @param damaged keys of problems, as verifications name them: an object, a table, or a file by its place */
export function withoutDamaged(manifest: Manifest, damaged: readonly string[]): Manifest {
  if (damaged.length === 0) return manifest;
  const keys = new Set(damaged);
  const { packs, organizationId, media, tables } = manifest;
  // No more than these were written down: what else is damaged is not known.
  if (keys.size >= mostProblems) return { ...manifest, tables: [], media: { ...media, files: [] } };
  const isWhole = ({ pack }: SegmentReference): boolean => {
    const name = packs[pack]?.name;
    return name !== undefined && !keys.has(packKey(organizationId, name));
  };
  return {
    ...manifest,
    tables: tables.filter((entry) => !keys.has(entry.table) && tableSegments(entry).every(isWhole)),
    media: {
      ...media,
      files: media.files.filter(
        ({ parts }, place) => !keys.has(fileProblemKey(place, media.files.length)) && parts.every(isWhole),
      ),
    },
  };
}

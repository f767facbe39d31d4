// One organization's packs of sealed segments in the store.
import type { OrganizationKeys } from "../crypto/organization-keys.ts";
import type { ObjectPlace } from "../crypto/sealed-object.ts";
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { decompressSegment } from "./compression.ts";
import { limits, readBounded } from "./limits.ts";
import type { SegmentReference } from "./manifest.ts";
import { packKey, packsPrefix } from "./names.ts";
import { freeMemory } from "./owned-memory.ts";
import { PackReader } from "./pack-reader.ts";
import { readPackIndex, sealPack, type CompressedSegment, type PackIndexEntry, type SealedPack } from "./pack.ts";

export interface StoredPacks {
  sealPack(segments: readonly CompressedSegment[]): SealedPack;
  storePack(pack: SealedPack, signal?: AbortSignal): Promise<"stored" | "present">;
  readPackIndex(packName: string): Promise<readonly PackIndexEntry[]>;
  /** Raw bytes; authenticated, decompressed, and of the id that the reference states. */
  readSegment(packName: string, reference: SegmentReference, signal?: AbortSignal): Promise<Buffer>;
  /** Several segments that lie side by side in one pack, by one read. */
  readSegments(packName: string, references: readonly SegmentReference[], signal?: AbortSignal): Promise<Buffer[]>;
  /** The same, each segment as soon as it is decompressed; one that nobody awaits any more may fail unheard. */
  beginSegments(packName: string, references: readonly SegmentReference[]): Promise<Promise<Buffer>[]>;
  listPacks(): AsyncIterable<{ name: string; sizeBytes: number; modifiedAt: Date }>;
  deletePacks(names: readonly string[]): Promise<void>;
}

/** `placeOf`: of the pack under an object key. */
export function openPacks(
  store: ObjectStore,
  organizationId: string,
  keys: OrganizationKeys,
  placeOf: (objectKey: string) => ObjectPlace,
): StoredPacks {
  const keyOf = (name: string): string => packKey(organizationId, name);
  const reader = new PackReader(store, keys, (name) => placeOf(keyOf(name)));

  async function beginSegments(
    packName: string,
    references: readonly SegmentReference[],
    signal?: AbortSignal,
  ): Promise<Promise<Buffer>[]> {
    const frames = await reader.readFrames(packName, references, signal);
    return frames.map((frame, index) => {
      const raw = decompressSegment(frame, references[index]?.rawBytes ?? 0).finally(() => freeMemory(frame));
      raw.catch(() => {}); // awaited by whoever reads on
      return raw;
    });
  }

  async function readSegments(
    packName: string,
    references: readonly SegmentReference[],
    signal?: AbortSignal,
  ): Promise<Buffer[]> {
    return await Promise.all(await beginSegments(packName, references, signal));
  }

  return {
    sealPack: (segments) => sealPack(keys, placeOf(keyOf("")), segments),

    async storePack(pack, signal) {
      const objectKey = keyOf(pack.name);
      try {
        await store.create(objectKey, pack.bytes, { sha256: pack.name, ...(signal === undefined ? {} : { signal }) });
        return "stored";
      } catch (error) {
        // An attempt whose answer got lost; but what a manifest will count on is looked at, not assumed.
        if (!(error instanceof BackupError && error.code === "ObjectExists")) throw error;
        if ((await readBounded(store, objectKey, limits.packBytes)).equals(pack.bytes)) return "present";
        throw new BackupError(
          "ObjectCorrupt",
          `${objectKey} exists and holds other bytes than its name states. Remove it.`,
          { object: objectKey },
          { cause: error },
        );
      }
    },

    async readPackIndex(name) {
      const objectKey = keyOf(name);
      return readPackIndex(keys, placeOf(objectKey), name, await readBounded(store, objectKey, limits.packBytes));
    },

    async readSegment(packName, reference, signal) {
      const [raw] = await readSegments(packName, [reference], signal);
      return raw as Buffer;
    },
    readSegments,
    beginSegments,

    async *listPacks() {
      const prefix = packsPrefix(organizationId);
      for await (const { key, sizeBytes, modifiedAt } of store.list(prefix))
        yield { name: key.slice(prefix.length), sizeBytes, modifiedAt };
    },
    deletePacks: (names) => store.delete(names.map(keyOf)),
  };
}

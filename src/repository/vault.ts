// One organization's part of the repository: packs of sealed segments, and manifests.
import { createHash } from "node:crypto";
import type { ObjectPlace } from "../crypto/sealed-object.ts";
import { hmac, type OrganizationKeys } from "../crypto/organization-keys.ts";
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { decompressSegment } from "./compression.ts";
import { freeMemory } from "./owned-memory.ts";
import { limits, readBounded } from "./limits.ts";
import type { Manifest, SegmentReference } from "./manifest.ts";
import {
  openManifest,
  openManifestHeader,
  sealManifest,
  type HeaderMarks,
  type ManifestHeader,
  type SealedManifest,
} from "./manifest-object.ts";
import { isDamage } from "./damage.ts";
import { manifestKey, manifestsPrefix, packKey, packsPrefix, parseNumberedName } from "./names.ts";
import { readPackIndex, sealPack, type CompressedSegment, type PackIndexEntry, type SealedPack } from "./pack.ts";
import { PackReader } from "./pack-reader.ts";
import { createReleaseLog, type ReleaseLog } from "./release-log.ts";
import { isReleased, type ReleasedRun } from "./released-runs.ts";
import { formatVerificationKey } from "./verification-key.ts";

export type { CompressedSegment, ManifestHeader, PackIndexEntry, SealedManifest, SealedPack };

export interface VaultParts {
  readonly store: ObjectStore;
  readonly repositoryId: string;
  readonly repositoryRecord: Buffer;
  readonly organizationId: string;
  readonly keys: OrganizationKeys;
}

export interface ReadManifest {
  readonly manifest: Manifest;
  /** SHA-256 of the stored bytes, hex. */
  readonly hash: string;
  readonly sizeBytes: number;
}

export interface OrganizationVault {
  readonly organizationId: string;
  readonly cutSeed: bigint;
  segmentId(raw: Uint8Array): string;
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
  /**
   * Oldest first, without those that were released and only not removed yet. A damaged one ends the listing by its error,
   * unless `onDamaged` takes it: so that whole backups can still be found beside it.
   */
  listManifests(options?: { onDamaged?: (error: BackupError) => void }): Promise<readonly ManifestHeader[]>;
  /** The same newest first, read as they are asked for: a damaged one that is older than what is looked for does not matter. */
  walkManifests(): AsyncIterable<ManifestHeader>;
  readManifest(sequence: number): Promise<ReadManifest>;
  latestManifest(): Promise<ReadManifest | null>;
  sealManifest(manifest: Manifest, marks?: HeaderMarks): SealedManifest;
  /** @throws SequenceTaken when another backup has the sequence. Storing the same bytes again succeeds. */
  storeManifest(sealed: SealedManifest): Promise<void>;
  /** Also those that are released: what is there, not what counts. */
  listSequences(): Promise<number[]>;
  /** Only what a release record says is released: from then on nobody lists it. */
  deleteManifests(sequences: readonly number[]): Promise<void>;
  readonly releases: ReleaseLog;
  exportVerificationKey(): string;
}

export function createVault(parts: VaultParts): OrganizationVault {
  const { store, organizationId, keys } = parts;
  const place = (kind: ObjectPlace["kind"], objectKey: string, sequence?: number): ObjectPlace => ({
    kind,
    repositoryId: parts.repositoryId,
    organizationId,
    objectKey,
    ...(sequence === undefined ? {} : { sequence }),
  });
  const packPlace = (name: string): ObjectPlace => place("pack", packKey(organizationId, name));
  const packs = new PackReader(store, keys, packPlace);

  async function readManifest(sequence: number): Promise<ReadManifest> {
    const objectKey = manifestKey(organizationId, sequence);
    const bytes = await readBounded(store, objectKey, limits.manifestBytes);
    const manifest = await openManifest(keys, place("manifest", objectKey, sequence), bytes);
    if (manifest.organizationId !== organizationId || manifest.sequence !== sequence) {
      throw new BackupError("ObjectForeign", `${objectKey} holds the manifest of another backup.`, {
        object: objectKey,
      });
    }
    return { manifest, hash: sha256(bytes), sizeBytes: bytes.length };
  }

  async function readHeader(objectKey: string, sequence: number): Promise<ManifestHeader> {
    const bytes = await readBounded(store, objectKey, limits.manifestBytes);
    return openManifestHeader(keys.verificationKey, place("manifest", objectKey, sequence), bytes);
  }

  async function beginSegments(
    packName: string,
    references: readonly SegmentReference[],
    signal?: AbortSignal,
  ): Promise<Promise<Buffer>[]> {
    const frames = await packs.readFrames(packName, references, signal);
    return frames.map((frame, index) => {
      const raw = decompressSegment(frame, references[index]?.rawBytes ?? 0).finally(() => freeMemory(frame));
      raw.catch(() => {}); // awaited by whoever reads on
      return raw;
    });
  }

  async function listSequences(): Promise<{ key: string; sequence: number }[]> {
    const found: { key: string; sequence: number }[] = [];
    const prefix = manifestsPrefix(organizationId);
    for await (const { key } of store.list(prefix)) {
      const sequence = parseNumberedName(key.slice(prefix.length));
      if (sequence !== null) found.push({ key, sequence });
    }
    return found;
  }

  const releases = createReleaseLog(store, organizationId, keys, (key, number) => place("release", key, number));

  return {
    organizationId,
    releases,
    cutSeed: keys.cutSeed,
    segmentId: (raw) => hmac(keys.idKey, raw).toString("hex"),
    sealPack: (segments) => sealPack(keys, packPlace(""), segments),
    async storePack(pack, signal) {
      try {
        await store.create(packKey(organizationId, pack.name), pack.bytes, signal === undefined ? {} : { signal });
        return "stored";
      } catch (error) {
        // An attempt whose answer got lost; but what a manifest will count on is looked at, not assumed.
        if (!(error instanceof BackupError && error.code === "ObjectExists")) throw error;
        const objectKey = packKey(organizationId, pack.name);
        if ((await readBounded(store, objectKey, limits.packBytes)).equals(pack.bytes)) return "present";
        throw new BackupError(
          "ObjectCorrupt",
          `${objectKey} exists and holds other bytes than its name states. Remove it.`,
          { object: objectKey },
          { cause: error },
        );
      }
    },
    readPackIndex: async (name) =>
      readPackIndex(
        keys,
        packPlace(name),
        name,
        await readBounded(store, packKey(organizationId, name), limits.packBytes),
      ),
    async readSegment(packName, reference, signal) {
      const [raw] = await this.readSegments(packName, [reference], signal);
      return raw as Buffer;
    },
    async readSegments(packName, references, signal) {
      return await Promise.all(await beginSegments(packName, references, signal));
    },
    beginSegments,
    async *listPacks() {
      const prefix = packsPrefix(organizationId);
      for await (const { key, sizeBytes, modifiedAt } of store.list(prefix))
        yield { name: key.slice(prefix.length), sizeBytes, modifiedAt };
    },
    deletePacks: (names) => store.delete(names.map((name) => packKey(organizationId, name))),
    async listManifests({ onDamaged } = {}) {
      const headers: ManifestHeader[] = [];
      // The manifests first: one that is released in between is then seen in both, and is left out.
      const found = await listSequences();
      let released: readonly ReleasedRun[] = [];
      try {
        released = (await releases.read())?.runs ?? [];
      } catch (error) {
        if (onDamaged === undefined || !isDamage(error)) throw error;
        onDamaged(error);
      }
      for (const { key, sequence } of found) {
        if (isReleased(released, sequence)) continue;
        try {
          headers.push(await readHeader(key, sequence));
        } catch (error) {
          if (onDamaged === undefined || !isDamage(error)) throw error;
          onDamaged(error);
        }
      }
      return headers;
    },
    async *walkManifests() {
      const found = await listSequences();
      const released = (await releases.read())?.runs ?? [];
      for (const { key, sequence } of found.reverse())
        if (!isReleased(released, sequence)) yield await readHeader(key, sequence);
    },
    listSequences: async () => (await listSequences()).map(({ sequence }) => sequence),
    deleteManifests: (sequences) => store.delete(sequences.map((sequence) => manifestKey(organizationId, sequence))),
    readManifest,
    async latestManifest() {
      const newest = (await listSequences()).at(-1);
      return newest === undefined ? null : await readManifest(newest.sequence);
    },
    sealManifest: (manifest, marks) =>
      sealManifest(
        keys,
        place("manifest", manifestKey(organizationId, manifest.sequence), manifest.sequence),
        manifest,
        marks,
      ),
    async storeManifest(sealed) {
      try {
        await store.create(sealed.key, sealed.bytes);
      } catch (error) {
        if (!(error instanceof BackupError && error.code === "ObjectExists")) throw error;
        const present = await store.read(sealed.key);
        if (!present.equals(sealed.bytes)) {
          throw new BackupError(
            "SequenceTaken",
            `${sealed.key} belongs to another backup.`,
            { object: sealed.key },
            { cause: error },
          );
        }
      }
    },
    exportVerificationKey: () =>
      formatVerificationKey(parts.repositoryId, parts.repositoryRecord, keys.verificationKey),
  };
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

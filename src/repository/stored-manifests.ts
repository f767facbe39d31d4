// One organization's manifests in the store, by their sequence. A manifest that was released counts as gone from then on,
// though it may still be there.
import type { OrganizationKeys } from "../crypto/organization-keys.ts";
import type { ObjectPlace } from "../crypto/sealed-object.ts";
import { sha256 } from "../crypto/sha256.ts";
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { isDamage } from "./damage.ts";
import { limits, readBounded } from "./limits.ts";
import type { Manifest } from "./manifest.ts";
import {
  openManifest,
  openManifestHeader,
  sealManifest,
  type HeaderMarks,
  type ManifestHeader,
  type SealedManifest,
} from "./manifest-object.ts";
import { manifestKey, manifestsPrefix, parseNumberedName } from "./names.ts";
import type { ReleaseLog } from "./release-log.ts";
import { isReleased, type ReleasedRun } from "./released-runs.ts";

export interface ReadManifest {
  readonly manifest: Manifest;
  /** SHA-256 of the stored bytes, hex. */
  readonly hash: string;
  readonly sizeBytes: number;
}

export interface StoredManifests {
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
}

/** `placeOf`: of the manifest under an object key. */
export function openManifests(
  store: ObjectStore,
  organizationId: string,
  keys: OrganizationKeys,
  placeOf: (objectKey: string, sequence: number) => ObjectPlace,
  releases: ReleaseLog,
): StoredManifests {
  const keyOf = (sequence: number): string => manifestKey(organizationId, sequence);

  async function readManifest(sequence: number): Promise<ReadManifest> {
    const objectKey = keyOf(sequence);
    const bytes = await readBounded(store, objectKey, limits.manifestBytes);
    const manifest = await openManifest(keys, placeOf(objectKey, sequence), bytes);
    if (manifest.organizationId !== organizationId || manifest.sequence !== sequence) {
      throw new BackupError("ObjectForeign", `${objectKey} holds the manifest of another backup.`, {
        object: objectKey,
      });
    }
    return { manifest, hash: sha256(bytes), sizeBytes: bytes.length };
  }

  async function readHeader(objectKey: string, sequence: number): Promise<ManifestHeader> {
    const bytes = await readBounded(store, objectKey, limits.manifestBytes);
    return openManifestHeader(keys.verificationKey, placeOf(objectKey, sequence), bytes);
  }

  async function findAll(): Promise<{ key: string; sequence: number }[]> {
    const found: { key: string; sequence: number }[] = [];
    const prefix = manifestsPrefix(organizationId);
    for await (const { key } of store.list(prefix)) {
      const sequence = parseNumberedName(key.slice(prefix.length));
      if (sequence !== null) found.push({ key, sequence });
    }
    return found;
  }

  return {
    async listManifests({ onDamaged } = {}) {
      const headers: ManifestHeader[] = [];
      // The manifests first: one that is released in between is then seen in both, and is left out.
      const found = await findAll();
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
      const found = await findAll();
      const released = (await releases.read())?.runs ?? [];
      for (const { key, sequence } of found.reverse())
        if (!isReleased(released, sequence)) yield await readHeader(key, sequence);
    },

    readManifest,

    async latestManifest() {
      const newest = (await findAll()).at(-1);
      return newest === undefined ? null : await readManifest(newest.sequence);
    },

    sealManifest: (manifest, marks) =>
      sealManifest(keys, placeOf(keyOf(manifest.sequence), manifest.sequence), manifest, marks),

    async storeManifest(sealed) {
      try {
        await store.create(sealed.key, sealed.bytes);
      } catch (error) {
        if (!(error instanceof BackupError && error.code === "ObjectExists")) throw error;
        const present = await store.read(sealed.key);
        if (present.equals(sealed.bytes)) return;
        throw new BackupError(
          "SequenceTaken",
          `${sealed.key} belongs to another backup.`,
          { object: sealed.key },
          { cause: error },
        );
      }
    },

    listSequences: async () => (await findAll()).map(({ sequence }) => sequence),
    deleteManifests: (sequences) => store.delete(sequences.map(keyOf)),
  };
}

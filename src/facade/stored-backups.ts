// What a backup holds, read from the store: the manifest is the truth, the control tables only remember.
import { BackupError } from "../domain/errors.ts";
import type { StoredAmounts } from "../domain/erase-run.ts";
import type { ObjectLock } from "../ports/object-store.ts";
import type { RetentionFacts } from "../domain/retention-facts.ts";
import { manifestKey, organizationPrefix, packKey, repositoryKey, rootsPrefix } from "../repository/names.ts";
import { previewRetention, type RetentionPreview } from "../repository/preview-retention.ts";
import type { Repository } from "../repository/repository.ts";

export interface BackupContents {
  readonly backupId: string;
  readonly sequence: number;
  readonly manifestHash: string;
  readonly manifestBytes: number;
  readonly createdAt: string;
  /** The moment that the backup shows. */
  readonly takenAt: string;
  readonly complete: boolean;
  readonly tables: readonly { table: string; dataSet: string; rows: number; rawBytes: number; checksum: string }[];
  readonly files: number;
  readonly fileBytes: number;
  readonly missingFiles: number;
  readonly storedBytes: number;
  readonly objects: readonly StoredBackupObject[];
}

export interface StoredBackupObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string | null;
}

export interface BackupFinder {
  /** @throws BackupNotFound when the store has no manifest of this number, or another backup's. */
  describe(organizationId: string, backup: { backupId: string; sequence: number }): Promise<BackupContents>;
  /** What recovery needs beside a backup's own objects: the repository's record, its roots, the wrapped key. No secret. */
  listKeys(organizationId: string): Promise<StoredBackupObject[]>;
  /** What an erasure would find. */
  lookAtErasure(organizationId: string): Promise<{ stored: StoredAmounts; locks: readonly ObjectLock[] }>;
  /** What keeps each backup. @throws BackupNotFound, and what is wrong with the store. */
  previewRetention(organizationId: string, facts: RetentionFacts): Promise<RetentionPreview>;
  /** Makes the store's own links, where it knows such. */
  readonly signLink: () => Promise<((key: string, validSeconds: number) => Promise<string>) | null>;
  /** Sealed bytes. @throws ObjectMissing */
  readObject(key: string, signal: AbortSignal): Promise<Buffer>;
}

export function createBackupFinder(open: () => Promise<Repository>): BackupFinder {
  return {
    async listKeys(organizationId) {
      const { store } = await open();
      const found: StoredBackupObject[] = [];
      for (const prefix of [repositoryKey, rootsPrefix, `${organizationPrefix(organizationId)}keys/`])
        for await (const { key, sizeBytes } of store.list(prefix)) found.push({ key, sizeBytes, sha256: null });
      return found;
    },
    async lookAtErasure(organizationId) {
      const erasure = (await open()).erasure(organizationId);
      return { stored: await erasure.count(), locks: await erasure.listLocks(20) };
    },
    signLink: async () => (await open()).store.signLink ?? null,
    readObject: async (key, signal) => await (await open()).store.read(key, { signal }),
    previewRetention: async (organizationId, facts) =>
      previewRetention(await (await open()).openVault(organizationId), facts, { nowMs: Date.now() }),
    async describe(organizationId, { backupId, sequence }) {
      const vault = await (await open()).openVault(organizationId);
      const { manifest, hash, sizeBytes } = await vault.readManifest(sequence).catch((error: unknown) => {
        throw error instanceof BackupError && error.code === "ObjectMissing" ? notFound() : error;
      });
      if (manifest.backupId !== backupId) throw notFound();
      const packs = manifest.packs.map((pack) => ({
        key: packKey(organizationId, pack.name),
        sizeBytes: pack.sizeBytes,
        sha256: pack.name,
      }));
      return {
        backupId,
        sequence,
        manifestHash: hash,
        manifestBytes: sizeBytes,
        createdAt: manifest.createdAt,
        takenAt: manifest.snapshot.takenAt,
        complete: manifest.complete,
        tables: manifest.tables.map(({ table, dataSet, rows, rawBytes, checksum }) => ({
          table,
          dataSet,
          rows,
          rawBytes,
          checksum,
        })),
        files: manifest.media.files.length,
        fileBytes: manifest.media.files.reduce((sum, file) => sum + file.sizeBytes, 0),
        missingFiles: manifest.media.missing.length,
        storedBytes: sizeBytes + packs.reduce((sum, pack) => sum + pack.sizeBytes, 0),
        objects: [{ key: manifestKey(organizationId, sequence), sizeBytes, sha256: hash }, ...packs],
      };
    },
  };
}

const notFound = (): BackupError => new BackupError("BackupNotFound", "There is no such backup in the store.");

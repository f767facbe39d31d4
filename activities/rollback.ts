// Compensation of a run that failed, was cancelled or started again: what it uploaded and no manifest names is removed. Safe
// to repeat, and safe when the run had in fact sealed: packs that a manifest names stay.
import { BackupError } from "../src/domain/errors.ts";
import { noFigures } from "../src/domain/progress.ts";
import type { JobLedger } from "../src/ports/job-ledger.ts";
import type { Repository } from "../src/repository/repository.ts";
import { beatWhile } from "./heartbeat.ts";
import type { SealedBackup, SessionKey } from "./contract.ts";

interface Uploads {
  readonly key: SessionKey;
  readonly fencingToken: number;
  readonly packNames: readonly string[];
}

export async function rollBackUploads(
  repository: Repository,
  jobs: JobLedger,
  { key, fencingToken, packNames }: Uploads,
): Promise<void> {
  const { organizationId } = key;
  await beatWhile(
    () => ({ stage: "rollback" }),
    async () => {
      // When the lease went to another run, nothing is removed: that run may count on those packs.
      if (!(await holdsLease(jobs, organizationId, fencingToken))) return;
      const vault = await repository.openVault(organizationId);
      const manifests = await vault.listManifests();
      const named = new Set(manifests.flatMap((manifest) => manifest.packs.map((pack) => pack.name)));
      await vault.deletePacks(packNames.filter((name) => !named.has(name)));
    },
  );
}

/** Looks for the run's own manifest, newest first: a seal's answer got lost. */
export async function findSealedBackup(
  repository: Repository,
  { key }: { key: SessionKey },
): Promise<SealedBackup | null> {
  return await beatWhile(
    () => ({ stage: "seal" }),
    async () => {
      const vault = await repository.openVault(key.organizationId, { create: true });
      const newest = await vault.latestManifest();
      if (newest === null || newest.manifest.backupId !== key.backupId) return null;
      const { manifest, hash, sizeBytes } = newest;
      return {
        sequence: manifest.sequence,
        manifestHash: hash,
        manifestBytes: sizeBytes,
        missingFiles: manifest.media.missing.length,
        foreignRows: (manifest.foreignRows ?? []).reduce((sum, { rows }) => sum + rows, 0),
        figures: noFigures,
      };
    },
  );
}

async function holdsLease(jobs: JobLedger, organizationId: string, fencingToken: number): Promise<boolean> {
  try {
    await jobs.assertLease({ organizationId, fencingToken });
    return true;
  } catch (error) {
    if (error instanceof BackupError && error.code === "OrganizationBusy") return false;
    throw error;
  }
}

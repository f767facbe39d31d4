// Files that restored rows name: put back where they are missing or of another content, and undone by a rollback. What is
// about to change is written down first, so that a crash between the two leaves nothing unknown.
import { createHash } from "node:crypto";
import { BackupError } from "../../src/domain/errors.ts";
import type { RestoredFiles, RollbackOutcome } from "../../src/domain/restore-run.ts";
import { isOwnFile } from "../../src/domain/media-folder.ts";
import type { MediaFile, MediaSource } from "../../src/ports/media-source.ts";
import type { RestoredFile } from "../../src/ports/restore-ledger.ts";
import type { Manifest, MediaEntry } from "../../src/repository/manifest.ts";
import { isDamage } from "../../src/repository/damage.ts";
import { readMediaFile } from "../../src/repository/read-table.ts";
import type { OrganizationVault } from "../../src/repository/vault.ts";
import { Context } from "@temporalio/activity";
import { beatWhile } from "../heartbeat.ts";
import type { RestoreActivities, RestoreKey } from "../restore-contract.ts";
import { withTarget, type RestoreDependencies } from "./load-plan.ts";

const partBytes = 4 * 1024 * 1024;
const concurrency = 4;

interface Source {
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
}

export async function putBackFiles(
  dependencies: RestoreDependencies,
  { order, backup, preRestoreSequence }: Parameters<RestoreActivities["putBackFiles"]>[0],
): Promise<RestoredFiles> {
  const { repository, catalogue, media, mediaTarget, restores } = dependencies;
  const counts = { created: 0, replaced: 0, same: 0, kept: 0, notInBackup: 0 };
  const { cancellationSignal } = Context.current();
  if (catalogue.media.length === 0 || order.target === "other") return counts;
  return await beatWhile(
    () => ({ stage: "files", ...counts }),
    async () => {
      const paths = await withTarget(dependencies, order, (target) =>
        target.readStagedPaths(order.restoreId, catalogue.media),
      );
      if (paths.length === 0) return counts;
      await restores.recordProtection(order, preRestoreSequence);
      const vault = await repository.openVault(order.organizationId);
      const from: Source = { vault, manifest: (await vault.readManifest(backup.sequence)).manifest };
      const entries = new Map(from.manifest.media.files.map((entry) => [entry.path, entry]));
      const kept = preRestoreSequence === null ? null : (await vault.readManifest(preRestoreSequence)).manifest;
      const images = new Map(kept?.media.files.map((entry) => [entry.path, entry]));
      // A row that is kept live keeps its file, too.
      const isCopy = order.targetOrganizationId !== order.organizationId;
      const mayReplace = !isCopy && (order.strategy === "overwrite" || order.strategy === "merge");
      await inParallel(paths, async ({ path, source, isShared = false }) => {
        cancellationSignal.throwIfAborted();
        const entry = isOwnFile(catalogue, order.organizationId, source) ? entries.get(source) : undefined;
        if (entry === undefined || !isOwnFile(catalogue, order.targetOrganizationId, path)) {
          counts.notInBackup += 1;
          return;
        }
        const live = await media.stat(path);
        if (live !== null && (await isSame(media, live, entry))) {
          counts.same += 1;
          return;
        }
        const image = images.get(path);
        if (live !== null && !(mayReplace && !isShared && image !== undefined && (await isSame(media, live, image)))) {
          counts.kept += 1;
          return;
        }
        const change = live === null ? "created" : "replaced";
        await restores.recordFiles(order, [{ path, change, sha256: entry.sha256 }]);
        await withoutPath(() => mediaTarget.write(path, readMediaFile(vault, from.manifest, entry), entry));
        counts[change] += 1;
      });
      return counts;
    },
  );
}

export async function undoFiles(
  dependencies: RestoreDependencies,
  { restoreId, organizationId }: RestoreKey,
): Promise<RollbackOutcome["files"]> {
  const { repository, media, mediaTarget, restores } = dependencies;
  const counts = { removed: 0, putBack: 0, kept: 0 };
  return await beatWhile(
    () => ({ stage: "files", ...counts }),
    async () => {
      const files = await restores.listFiles(restoreId);
      if (files.length === 0) return counts;
      const vault = await repository.openVault(organizationId);
      const before = await findBefore(dependencies, restoreId, vault);
      await inParallel(files, async ({ path, change, sha256 }: RestoredFile) => {
        const live = await media.stat(path);
        if (live === null) return;
        const image = before?.manifest.media.files.find((entry) => entry.path === path);
        const isOurs = (await hashFile(media, live)) === sha256;
        if (!isOurs || (change === "replaced" && image === undefined)) {
          if (!isOurs) counts.kept += 1;
        } else if (change === "created") {
          await mediaTarget.remove(path);
          counts.removed += 1;
        } else if (before !== null && image !== undefined) {
          await withoutPath(() => mediaTarget.write(path, readMediaFile(vault, before.manifest, image), image));
          counts.putBack += 1;
        }
      });
      return counts;
    },
  );
}

/** The pre-restore backup holds the files as they were. */
async function findBefore(
  { restores }: RestoreDependencies,
  restoreId: string,
  vault: OrganizationVault,
): Promise<Source | null> {
  const { preRestoreSequence } = await restores.readRestore(restoreId);
  return preRestoreSequence === null
    ? null
    : { vault, manifest: (await vault.readManifest(preRestoreSequence)).manifest };
}

/** A file's path is personal data: it must not get into workflow history with an error. */
async function withoutPath(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!isDamage(error)) throw error;
    throw new BackupError(
      error.code,
      "A file of the backup could not be proven, and is not put back.",
      {},
      { cause: error },
    );
  }
}

async function isSame(media: MediaSource, live: MediaFile, entry: MediaEntry): Promise<boolean> {
  if (live.sizeBytes !== entry.sizeBytes) return false;
  if (live.versionTag === entry.versionTag && live.modifiedAt === entry.modifiedAt) return true;
  return (await hashFile(media, live)) === entry.sha256;
}

async function hashFile(media: MediaSource, { path, sizeBytes }: MediaFile): Promise<string> {
  const hash = createHash("sha256");
  for (let offset = 0; offset < sizeBytes; offset += partBytes)
    hash.update(await media.read(path, { offset, length: Math.min(partBytes, sizeBytes - offset) }));
  return hash.digest("hex");
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) await work(items[index] as T);
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined)
    throw failed.reason instanceof Error ? failed.reason : new BackupError("Internal", "A file could not be restored.");
}

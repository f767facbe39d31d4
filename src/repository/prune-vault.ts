// Letting go of backups and of what only they needed, in this order, each step safe to repeat and to stop behind
// (FORMAT.md, "Removing"):
//
//   release: look that all is there → write one release record (from here the backups are not listed; packs that no other
//            backup needs are in quarantine)
//   sweep:   remove the manifests that are released → mark from all that remain → remove packs whose quarantine and whose
//            own age have passed the grace → remove older release records
//
// Never removes what it can't account for: a damaged manifest, a missing pack or a gap that no record explains ends it.
import { BackupError } from "../domain/errors.ts";
import type { ManifestHeader } from "./manifest-object.ts";
import type { ReleaseRecord } from "./release-record.ts";
import { describeRuns, findMissing, isReleased, joinRuns, type ReleasedRun } from "./released-runs.ts";
import type { OrganizationVault } from "./vault.ts";

/**
 * How long a pack stays after the last backup that needed it is gone. Readers without a lease (a recovery from the bucket
 * alone, a download, a verification) that have begun are done by then; and a pack of a run that is still to be sealed is
 * never so old.
 */
export const graceMs = 72 * 60 * 60 * 1000;

export interface StoredState {
  /** Those that count, oldest first. */
  readonly manifests: readonly ManifestHeader[];
  readonly record: ReleaseRecord | null;
  readonly packs: ReadonlyMap<string, { readonly sizeBytes: number; readonly modifiedAtMs: number }>;
}

/**
 * Everything that a prune must know, and only if nothing is wrong with it.
 * `forgetMissing`: numbers that nothing accounts for are known to be gone; else they end it.
 * `newestKnown`: number of the newest backup that is known to have been stored and not let go; 0 = none is known. What a
 * listing lacks at its end leaves no gap: without this, packs of a backup that a listing did not show would go.
 * @throws RepositoryRolledBack, ObjectMissing, ObjectCorrupt, …
 */
export async function readStoredState(
  vault: OrganizationVault,
  { forgetMissing = false, newestKnown = 0 }: { forgetMissing?: boolean; newestKnown?: number } = {},
): Promise<StoredState> {
  const { organizationId } = vault;
  const packs = new Map<string, { sizeBytes: number; modifiedAtMs: number }>();
  const manifests = await vault.listManifests();
  const record = await vault.releases.read();
  // Behind the manifests: a pack is stored before the manifest that names it.
  for await (const { name, sizeBytes, modifiedAt } of vault.listPacks())
    packs.set(name, { sizeBytes, modifiedAtMs: modifiedAt.getTime() });
  const missing: Pick<ReleasedRun, "from" | "to">[] = findMissing(manifests, record?.runs ?? []);
  const newest = manifests.at(-1)?.sequence ?? 0;
  if (newestKnown > newest) missing.push({ from: newest + 1, to: newestKnown });
  if (missing.length > 0 && !forgetMissing)
    throw new BackupError(
      "RepositoryRolledBack",
      `Manifests ${describeRuns(missing)} of organization ${organizationId} are not there, and retention did not let them go, so nothing is removed. Bring them back; or, when you know why they are gone (a new bucket, say), write that down: wedsync-backup prune --organization ${organizationId} --forget-missing`,
      { organizationId },
    );
  for (const { key, packs: needed } of manifests)
    for (const { name } of needed)
      if (!packs.has(name))
        throw new BackupError(
          "ObjectMissing",
          `${key} needs the pack ${name}, which is not there; nothing is removed.`,
          {
            object: key,
          },
        );
  return { manifests, record, packs };
}

export interface PlannedRelease {
  /** Null = nothing changes. */
  readonly record: ReleaseRecord | null;
  /** Packs that no kept backup needs, all of them. */
  readonly unneeded: readonly { readonly name: string; readonly sizeBytes: number }[];
}

export function planRelease(
  { manifests, record, packs }: StoredState,
  released: readonly number[],
  { nowMs, fencingToken }: { nowMs: number; fencingToken: number },
): PlannedRelease {
  const goes = new Set(released);
  const now = new Date(nowMs).toISOString();
  const kept = manifests.filter(({ sequence }) => !goes.has(sequence));
  const newest = manifests.at(-1);
  if (newest !== undefined && goes.has(newest.sequence))
    throw new BackupError("Internal", "The newest backup was about to be released.");
  const needed = new Set(kept.flatMap((manifest) => manifest.packs.map(({ name }) => name)));
  const since = new Map(record?.quarantine.map((entry) => [entry.pack, entry.since]));
  const unneeded = [...packs].flatMap(([name, { sizeBytes }]) => (needed.has(name) ? [] : [{ name, sizeBytes }]));
  const missing = findMissing(manifests, record?.runs ?? []);
  const runs = joinRuns([
    ...(record?.runs ?? []),
    ...missing,
    ...manifests.flatMap(({ sequence, hash }) =>
      goes.has(sequence) ? [{ from: sequence, to: sequence, last: hash, by: "retention" as const }] : [],
    ),
  ]);
  const isNews = goes.size > 0 || missing.length > 0 || unneeded.some(({ name }) => !since.has(name));
  if (!isNews) return { record: null, unneeded };
  const quarantine = unneeded.map(({ name }) => ({ pack: name, since: since.get(name) ?? now }));
  return { record: { number: (record?.number ?? 0) + 1, createdAt: now, fencingToken, runs, quarantine }, unneeded };
}

export interface Sweep {
  readonly removedManifests: number;
  readonly removedPacks: number;
  readonly removedBytes: number;
  readonly quarantinedPacks: number;
  /** When the next of them may go; null = none waits. */
  readonly nextDueMs: number | null;
}

const batchSize = 500;

/** `assertMayGoOn` is asked before everything that removes; it throws where the lease went, or a hold was placed. */
export async function sweepVault(
  vault: OrganizationVault,
  options: { nowMs: number; graceMs: number; assertMayGoOn: () => Promise<void> },
): Promise<Sweep> {
  const { nowMs, assertMayGoOn } = options;
  const released = (await vault.releases.read())?.runs ?? [];
  const going = (await vault.listSequences()).filter((sequence) => isReleased(released, sequence));
  for (let at = 0; at < going.length; at += batchSize) {
    await assertMayGoOn();
    await vault.deleteManifests(going.slice(at, at + batchSize));
  }
  const { manifests, record, packs } = await readStoredState(vault);
  const needed = new Set(manifests.flatMap((manifest) => manifest.packs.map(({ name }) => name)));
  const due: { name: string; sizeBytes: number }[] = [];
  let nextDueMs: number | null = null;
  let quarantinedPacks = 0;
  for (const { pack: name, since } of record?.quarantine ?? []) {
    const stored = packs.get(name);
    // Gone already, or named again: the next record says so.
    if (stored === undefined || needed.has(name)) continue;
    const dueMs = Math.max(Date.parse(since), stored.modifiedAtMs) + options.graceMs;
    if (dueMs <= nowMs) {
      due.push({ name, sizeBytes: stored.sizeBytes });
    } else {
      quarantinedPacks += 1;
      nextDueMs = Math.min(nextDueMs ?? dueMs, dueMs);
    }
  }
  for (let at = 0; at < due.length; at += batchSize) {
    await assertMayGoOn();
    await vault.deletePacks(due.slice(at, at + batchSize).map(({ name }) => name));
  }
  if (record !== null) await vault.releases.removeOlderThan(record.number);
  return {
    removedManifests: going.length,
    removedPacks: due.length,
    removedBytes: due.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    quarantinedPacks,
    nextDueMs,
  };
}

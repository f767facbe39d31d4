// The manifests of an organization: each is whole, in its place, and written after the one before it; and a number that is
// not there was let go by retention, as an authentic release record says, or somebody removed it.
import { sha256 } from "../crypto/sha256.ts";
import type { BackupError } from "../domain/errors.ts";
import { isDamage } from "./damage.ts";
import type { IntegrityRead } from "./integrity-read.ts";
import { limits } from "./limits.ts";
import { openManifestHeader, type ManifestHeader } from "./manifest-object.ts";
import { manifestsPrefix, parseNumberedName, releasesPrefix } from "./names.ts";
import { openReleaseHeader } from "./release-record.ts";
import { describeRuns, expectedPrevious, findMissing, isReleased, type ReleasedRun } from "./released-runs.ts";

/** What somebody else remembers of the newest manifest: from the bucket alone it is not seen that it was taken away. */
export interface ExpectedLatest {
  readonly sequence: number;
  readonly hash: string;
}

export interface NamedPack {
  readonly sizeBytes: number;
  /** The manifest that names it. */
  readonly by: string;
}

export interface NamedByManifests {
  readonly manifests: number;
  readonly packs: ReadonlyMap<string, NamedPack>;
}

interface FoundManifest {
  readonly key: string;
  readonly sequence: number;
  /** Of its bytes; null when they could not be read. */
  readonly hash: string | null;
  readonly header: ManifestHeader | null;
  readonly problem: BackupError | null;
}

/**
 * The release records are read behind the manifests: whatever retention lets go while this looks is then explained by
 * them, and is no damage.
 */
export async function verifyManifests(
  read: IntegrityRead,
  expectedLatest: ExpectedLatest | null,
): Promise<NamedByManifests> {
  const folder = manifestsPrefix(read.organizationId);
  const found: FoundManifest[] = [];
  const packs = new Map<string, NamedPack>();
  let manifests = 0;
  for await (const { key, name, sizeBytes } of read.list(folder)) {
    const sequence = parseNumberedName(name);
    if (sequence === null) read.problem(key, "ObjectForeign", "it is not a manifest's name");
    else found.push({ key, sequence, ...(await readManifest(read, key, sequence, sizeBytes)) });
  }
  const released = await readReleases(read);
  let before: { sequence: number; hash: string } | null = null;
  const hashes = new Map<number, string>();
  const intact: ManifestHeader[] = [];
  for (const { key, sequence, hash, header, problem } of found) {
    if (isReleased(released, sequence)) {
      read.notes.push(`${key} was released by retention and is not removed yet`);
      continue;
    }
    if (problem !== null) read.problem(key, problem.code, problem.message);
    if (hash === null) continue;
    manifests += 1;
    hashes.set(sequence, hash);
    if (header !== null) {
      intact.push(header);
      for (const { name, sizeBytes } of header.packs) packs.set(name, { sizeBytes, by: key });
      const expected = expectedPrevious(sequence, before, released);
      if (expected !== undefined && header.previousManifestHash !== expected)
        read.problem(key, "RepositoryRolledBack", `the manifest before it is not the one that it was written after`);
    }
    before = { sequence, hash };
  }
  noteGaps(read, folder, intact, found, released);
  const isToldAlready = found.some((each) => each.sequence === expectedLatest?.sequence && each.problem !== null);
  if (expectedLatest !== null && !isToldAlready && !isReleased(released, expectedLatest.sequence))
    proveLatest(read, folder, hashes, expectedLatest);
  return { manifests, packs };
}

function proveLatest(
  read: IntegrityRead,
  folder: string,
  hashes: ReadonlyMap<number, string>,
  { sequence, hash }: ExpectedLatest,
): void {
  if (!hashes.has(sequence))
    read.problem(
      folder,
      "RepositoryRolledBack",
      `backup ${sequence} was written, as the control tables say, and is gone`,
    );
  else if (hashes.get(sequence) !== hash)
    read.problem(
      folder,
      "RepositoryRolledBack",
      `backup ${sequence} is not the one that was written, as the control tables say`,
    );
}

/** Numbers below an intact manifest that nothing accounts for. A damaged manifest accounts for its own. */
function noteGaps(
  read: IntegrityRead,
  folder: string,
  intact: readonly ManifestHeader[],
  found: readonly FoundManifest[],
  released: readonly ReleasedRun[],
): void {
  const newest = intact.at(-1)?.sequence ?? 0;
  const damaged = found
    .filter(({ header, sequence }) => header === null && sequence < newest)
    .map(({ sequence }): ReleasedRun => ({ from: sequence, to: sequence, last: null, by: "unknown" }));
  const known = released.filter(({ from }) => from < newest);
  const missing = findMissing(intact, [...known, ...damaged]);
  if (missing.length > 0)
    read.problem(
      folder,
      "RepositoryRolledBack",
      `manifests ${describeRuns(missing)} are not there, and no release record says that retention let them go`,
    );
  for (const by of ["retention", "unknown"] as const) {
    const runs = released.filter((run) => run.by === by);
    const why = by === "retention" ? "let go by retention" : "missing, and a person wrote down that this is known";
    if (runs.length > 0) read.notes.push(`backups ${describeRuns(runs)}: ${why}`);
  }
}

/** What the newest record says was let go; every record is proven. */
async function readReleases(read: IntegrityRead): Promise<readonly ReleasedRun[]> {
  const folder = releasesPrefix(read.organizationId);
  let released: readonly ReleasedRun[] = [];
  let gone: BackupError | null = null;
  for await (const { key, name, sizeBytes } of read.list(folder)) {
    const number = parseNumberedName(name);
    if (number === null) {
      read.problem(key, "ObjectForeign", "it is not a release record's name");
      continue;
    }
    try {
      const bytes = await read.take(key, sizeBytes, limits.releaseBytes);
      const place = { ...read.place("release", key), sequence: number };
      released = openReleaseHeader(read.verification.key, place, bytes).runs;
      gone = null;
    } catch (error) {
      if (!isDamage(error)) throw error;
      // Older records are removed once a newer one is there.
      if (error.code === "ObjectMissing") gone = error;
      else read.problem(key, error.code, error.message);
    }
  }
  if (gone !== null) read.problem(folder, gone.code, gone.message);
  return released;
}

async function readManifest(
  read: IntegrityRead,
  key: string,
  sequence: number,
  sizeBytes: number,
): Promise<Pick<FoundManifest, "hash" | "header" | "problem">> {
  let hash: string | null = null;
  try {
    const bytes = await read.take(key, sizeBytes, limits.manifestBytes);
    hash = sha256(bytes);
    const place = { ...read.place("manifest", key), sequence };
    return { hash, header: openManifestHeader(read.verification.key, place, bytes), problem: null };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { hash, header: null, problem: error };
  }
}

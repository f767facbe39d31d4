// Integrity with the verification key alone: every stored byte of an organization is the one that was written, in its
// place, and everything that a manifest names is there. A holder of that key can read nothing.
//
// A manifest that is not there is either one that retention let go, and then an authentic release record says so, or it was
// removed. Not seen from the bucket alone: that the newest manifest was taken away. `expectedLatest` (the control tables keep it)
// closes that gap.
import { isIntact, type ObjectPlace } from "../crypto/sealed-object.ts";
import { BackupError, type ErrorCode } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { isDamage } from "./damage.ts";
import { limits, refuseOversize } from "./limits.ts";
import { openManifestHeader, type ManifestHeader } from "./manifest-object.ts";
import {
  isPackName,
  manifestsPrefix,
  organizationPrefix,
  packsPrefix,
  parseNumberedName,
  releasesPrefix,
  repositoryKey,
  rootKey,
  rootsPrefix,
  wrappedKeysPrefix,
} from "./names.ts";
import { decodeRecord } from "./records.ts";
import { isMarkedErased } from "./tombstone.ts";
import { openReleaseHeader } from "./release-record.ts";
import { describeRuns, expectedPrevious, findMissing, isReleased, type ReleasedRun } from "./released-runs.ts";
import { sha256 } from "./vault.ts";
import { parseVerificationKey, type VerificationKey } from "./verification-key.ts";
import { isWrappedKeyIntact, wrappedKeySchema } from "./wrapped-keys.ts";

export interface Problem {
  readonly key: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface IntegrityReport {
  readonly organizationId: string;
  readonly manifests: number;
  readonly packs: number;
  readonly bytes: number;
  readonly problems: readonly Problem[];
  /** Not wrong, but worth knowing: packs that no manifest names. */
  readonly notes: readonly string[];
}

export interface IntegrityOptions {
  readonly onProgress?: (progress: { objects: number; bytes: number }) => void;
  readonly expectedLatest?: { readonly sequence: number; readonly hash: string } | null;
  /** Reads one part of the packs only: 1 to `of`. Names are hashes, so parts are of one size; all parts are all bytes. */
  readonly part?: { readonly number: number; readonly of: number } | null;
}

export async function verifyIntegrity(
  store: ObjectStore,
  organizationId: string,
  verificationKey: string,
  { onProgress, expectedLatest = null, part = null }: IntegrityOptions = {},
): Promise<IntegrityReport> {
  const check = new IntegrityCheck(store, organizationId, parseVerificationKey(verificationKey), onProgress);
  await check.refuseErased();
  await check.records();
  await check.manifests(expectedLatest);
  await check.packs(part);
  return check.report();
}

interface Listed {
  readonly key: string;
  readonly name: string;
  readonly sizeBytes: number;
}

interface FoundManifest {
  readonly key: string;
  readonly sequence: number;
  /** Of its bytes; null when they could not be read. */
  readonly hash: string | null;
  readonly header: ManifestHeader | null;
  readonly problem: BackupError | null;
}

class IntegrityCheck {
  private readonly store: ObjectStore;
  private readonly organizationId: string;
  private readonly verification: VerificationKey;
  private readonly onProgress: IntegrityOptions["onProgress"];
  private readonly problems: Problem[] = [];
  private readonly notes: string[] = [];
  private readonly named = new Map<string, { sizeBytes: number; by: string }>();
  private manifestCount = 0;
  private packCount = 0;
  private objects = 0;
  private bytes = 0;

  constructor(
    store: ObjectStore,
    organizationId: string,
    verification: VerificationKey,
    onProgress: IntegrityOptions["onProgress"],
  ) {
    this.store = store;
    this.organizationId = organizationId;
    this.verification = verification;
    this.onProgress = onProgress;
  }

  /** Proven by the root key alone (tombstone.ts); a holder of the verification key believes it. */
  async refuseErased(): Promise<void> {
    const { organizationId, verification } = this;
    const { repositoryId } = verification;
    if (!(await isMarkedErased(this.store, { repositoryId, organizationId }))) return;
    throw new BackupError(
      "OrganizationErased",
      `The backups of organization ${organizationId} were erased; there is nothing to verify.`,
      { organizationId },
    );
  }

  /** The unsealed records: the repository's by the hash in the verification key, the others by the wrapped key's HMAC. */
  async records(): Promise<void> {
    const repository = await this.read(
      repositoryKey,
      (await this.store.stat(repositoryKey))?.sizeBytes ?? 0,
      limits.recordBytes,
    );
    if (repository !== null && sha256(repository) !== this.verification.repositoryHash)
      this.problem(repositoryKey, "ObjectCorrupt", "it is not the record that the verification key was made for");
    const provenRoots = new Map<string, string>();
    const keysPrefix = wrappedKeysPrefix(this.organizationId);
    for await (const { key, name, sizeBytes } of this.list(keysPrefix)) {
      const bytes = await this.read(key, sizeBytes, limits.recordBytes);
      if (bytes !== null) this.wrappedKey(key, name, bytes, provenRoots);
    }
    if (provenRoots.size === 0)
      this.problem(keysPrefix, "ObjectMissing", "no wrapped key of the organization is there that is whole");
    for await (const { key, name, sizeBytes } of this.list(rootsPrefix)) {
      const bytes = await this.read(key, sizeBytes, limits.recordBytes);
      const expected = provenRoots.get(name);
      provenRoots.delete(name);
      if (expected === undefined) this.notes.push(`${key} wraps no key of this organization`);
      else if (bytes !== null && sha256(bytes) !== expected)
        this.problem(key, "ObjectCorrupt", "it is not the descriptor that the organization's key was wrapped with");
    }
    for (const name of provenRoots.keys()) this.problem(rootKey(name), "ObjectMissing", "a wrapped key needs it");
    await this.strangers();
  }

  /**
   * The release records are read behind the manifests: whatever retention lets go while this looks is then explained by
   * them, and is no damage.
   */
  async manifests(expectedLatest: { sequence: number; hash: string } | null): Promise<void> {
    const folder = manifestsPrefix(this.organizationId);
    const found: FoundManifest[] = [];
    for await (const { key, name, sizeBytes } of this.list(folder)) {
      const sequence = parseNumberedName(name);
      if (sequence === null) this.problem(key, "ObjectForeign", "it is not a manifest's name");
      else found.push({ key, sequence, ...(await this.manifest(key, sequence, sizeBytes)) });
    }
    const released = await this.releases();
    let before: { sequence: number; hash: string } | null = null;
    const hashes = new Map<number, string>();
    const intact: ManifestHeader[] = [];
    for (const { key, sequence, hash, header, problem } of found) {
      if (isReleased(released, sequence)) {
        this.notes.push(`${key} was released by retention and is not removed yet`);
        continue;
      }
      if (problem !== null) this.problem(key, problem.code, problem.message);
      if (hash === null) continue;
      this.manifestCount += 1;
      hashes.set(sequence, hash);
      if (header !== null) {
        intact.push(header);
        for (const { name, sizeBytes } of header.packs) this.named.set(name, { sizeBytes, by: key });
        const expected = expectedPrevious(sequence, before, released);
        if (expected !== undefined && header.previousManifestHash !== expected)
          this.problem(key, "RepositoryRolledBack", `the manifest before it is not the one that it was written after`);
      }
      before = { sequence, hash };
    }
    this.gaps(folder, intact, found, released);
    if (expectedLatest === null) return;
    const { sequence, hash } = expectedLatest;
    if (!hashes.has(sequence))
      this.problem(folder, "RepositoryRolledBack", `backup ${sequence} was written, and is gone`);
    else if (hashes.get(sequence) !== hash)
      this.problem(folder, "RepositoryRolledBack", `backup ${sequence} is not the one that was written`);
  }

  /** Numbers below an intact manifest that nothing accounts for. A damaged manifest accounts for its own. */
  private gaps(
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
      this.problem(
        folder,
        "RepositoryRolledBack",
        `manifests ${describeRuns(missing)} are not there, and no release record says that retention let them go`,
      );
    for (const by of ["retention", "unknown"] as const) {
      const runs = released.filter((run) => run.by === by);
      const why = by === "retention" ? "let go by retention" : "missing, and a person wrote down that this is known";
      if (runs.length > 0) this.notes.push(`backups ${describeRuns(runs)}: ${why}`);
    }
  }

  /** What the newest record says was let go; every record is proven. */
  private async releases(): Promise<readonly ReleasedRun[]> {
    const folder = releasesPrefix(this.organizationId);
    let released: readonly ReleasedRun[] = [];
    let gone: BackupError | null = null;
    for await (const { key, name, sizeBytes } of this.list(folder)) {
      const number = parseNumberedName(name);
      if (number === null) {
        this.problem(key, "ObjectForeign", "it is not a release record's name");
        continue;
      }
      try {
        const bytes = await this.take(key, sizeBytes, limits.releaseBytes);
        const place = { ...this.place("release", key), sequence: number };
        released = openReleaseHeader(this.verification.key, place, bytes).runs;
        gone = null;
      } catch (error) {
        if (!isDamage(error)) throw error;
        // Older records are removed once a newer one is there.
        if (error.code === "ObjectMissing") gone = error;
        else this.problem(key, error.code, error.message);
      }
    }
    if (gone !== null) this.problem(folder, gone.code, gone.message);
    return released;
  }

  private async manifest(
    key: string,
    sequence: number,
    sizeBytes: number,
  ): Promise<Pick<FoundManifest, "hash" | "header" | "problem">> {
    let hash: string | null = null;
    try {
      const bytes = await this.take(key, sizeBytes, limits.manifestBytes);
      hash = sha256(bytes);
      const place = { ...this.place("manifest", key), sequence };
      return { hash, header: openManifestHeader(this.verification.key, place, bytes), problem: null };
    } catch (error) {
      if (!isDamage(error)) throw error;
      return { hash, header: null, problem: error };
    }
  }

  async packs(part: { readonly number: number; readonly of: number } | null): Promise<void> {
    const folder = packsPrefix(this.organizationId);
    const present = new Set<string>();
    // The next pack comes while this one is hashed: else the store and the hash wait for each other in turns.
    let ahead: { listed: Listed; bytes: Promise<Buffer | null> } | null = null;
    const prove = async (): Promise<void> => {
      if (ahead !== null) this.pack(ahead.listed, await ahead.bytes);
    };
    for await (const listed of this.list(folder)) {
      const { key, name, sizeBytes } = listed;
      const expected = this.named.get(name);
      present.add(name);
      if (!isPackName(name)) {
        this.problem(key, "ObjectForeign", "it is not a pack's name");
        continue;
      }
      if (expected === undefined) this.notes.push(`${key} is named by no manifest (${sizeBytes} bytes)`);
      else if (expected.sizeBytes !== sizeBytes)
        this.problem(key, "ObjectCorrupt", `it has ${sizeBytes} bytes instead of ${expected.sizeBytes}`);
      if (part !== null && Number.parseInt(name.slice(0, 12), 16) % part.of !== part.number - 1) continue;
      const bytes = this.read(key, sizeBytes, limits.packBytes);
      bytes.catch(() => {}); // awaited in the next turn
      await prove();
      ahead = { listed, bytes };
    }
    await prove();
    for (const [name, { by }] of this.named) {
      if (!present.has(name)) this.problem(`${folder}${name}`, "ObjectMissing", `${by} needs it`);
    }
  }

  report(): IntegrityReport {
    const { organizationId, manifestCount, packCount, bytes, problems, notes } = this;
    return { organizationId, manifests: manifestCount, packs: packCount, bytes, problems, notes };
  }

  private wrappedKey(key: string, name: string, bytes: Buffer, provenRoots: Map<string, string>): void {
    const place = { repositoryId: this.verification.repositoryId, organizationId: this.organizationId };
    try {
      const record = decodeRecord(key, bytes, wrappedKeySchema);
      if (name !== `1.${record.rootKeyId}` || !isWrappedKeyIntact(this.verification.key, place, record))
        throw new BackupError("ObjectForeign", "it is not this organization's key");
      provenRoots.set(record.rootKeyId, record.rootHash);
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      this.problem(key, error.code, error.message);
    }
  }

  /** Objects under the organization's name that no version writes there. */
  private async strangers(): Promise<void> {
    const prefix = organizationPrefix(this.organizationId);
    for await (const { key, name } of this.list(prefix)) {
      if (!/^(keys|manifests|packs|releases)\//.test(name))
        this.problem(key, "ObjectForeign", "it is no part of a repository");
    }
  }

  private pack({ key, name }: Listed, bytes: Buffer | null): void {
    if (bytes === null) return;
    this.packCount += 1;
    // A name that an intact manifest states proves the bytes by itself; the HMAC is for packs that only lie there.
    if (sha256(bytes) !== name) {
      this.problem(key, "ObjectCorrupt", "its bytes are not the ones that its name states");
    } else if (!this.named.has(name) && !isIntact(this.verification.key, this.place("pack", key), bytes)) {
      this.problem(key, "ObjectForeign", "it was not sealed for this organization");
    }
  }

  private place(kind: ObjectPlace["kind"], objectKey: string): ObjectPlace {
    return { kind, repositoryId: this.verification.repositoryId, organizationId: this.organizationId, objectKey };
  }

  private async *list(prefix: string): AsyncGenerator<Listed> {
    for await (const { key, sizeBytes } of this.store.list(prefix))
      yield { key, name: key.slice(prefix.length), sizeBytes };
  }

  private async take(key: string, sizeBytes: number, maxBytes: number): Promise<Buffer> {
    refuseOversize(key, sizeBytes, maxBytes);
    const bytes = await this.store.read(key);
    this.objects += 1;
    this.bytes += bytes.length;
    this.onProgress?.({ objects: this.objects, bytes: this.bytes });
    return bytes;
  }

  private async read(key: string, sizeBytes: number, maxBytes: number): Promise<Buffer | null> {
    try {
      return await this.take(key, sizeBytes, maxBytes);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.problem(key, error.code, error.message);
      return null;
    }
  }

  private problem(key: string, code: ErrorCode, message: string): void {
    this.problems.push({ key, code, message });
  }
}

// Integrity with the verification key alone: every stored byte of an organization is the one that was written, in its
// place, and everything that a manifest names is there. A holder of that key can read nothing.
//
// Not seen from the bucket alone: that the newest manifest was taken away. `expectedLatest` (the control tables keep it)
// closes that gap.
import { createHash } from "node:crypto";
import { isIntact, readClear, type ObjectPlace } from "../crypto/sealed-object.ts";
import { BackupError, type ErrorCode } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { manifestHeaderSchema } from "./manifest-object.ts";
import { organizationPrefix, repositoryKey, rootsPrefix } from "./names.ts";
import { sha256 } from "./vault.ts";

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
}

export async function verifyIntegrity(
  store: ObjectStore,
  organizationId: string,
  verificationKey: string,
  { onProgress, expectedLatest = null }: IntegrityOptions = {},
): Promise<IntegrityReport> {
  const check = new IntegrityCheck(store, organizationId, parseVerificationKey(verificationKey), onProgress);
  await check.records();
  await check.manifests(expectedLatest);
  await check.packs();
  return check.report();
}

interface VerificationKey {
  readonly repositoryId: string;
  readonly repositoryHash: string;
  readonly key: Buffer;
}

export function parseVerificationKey(text: string): VerificationKey {
  const [version, repositoryId, repositoryHash, encoded, ...more] = text.trim().split(".");
  const key = Buffer.from(encoded ?? "", "base64url");
  if (
    version !== "wsv1" ||
    repositoryId === undefined ||
    repositoryHash === undefined ||
    key.length !== 32 ||
    more.length > 0
  ) {
    throw new BackupError(
      "EncryptionKeyInvalid",
      "That is not a verification key (wsv1.…); make one with: wedsync-backup keys verification --organization ID.",
    );
  }
  return { repositoryId, repositoryHash, key };
}

class IntegrityCheck {
  private readonly store: ObjectStore;
  private readonly organizationId: string;
  private readonly prefix: string;
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
    this.prefix = organizationPrefix(organizationId);
    this.verification = verification;
    this.onProgress = onProgress;
  }

  /** The small unsealed objects carry a checksum; only the root key proves who wrote them. */
  async records(): Promise<void> {
    const repository = await this.read(repositoryKey);
    if (repository !== null && sha256(repository) !== this.verification.repositoryHash) {
      this.problem(repositoryKey, "ObjectCorrupt", "it is not the record that the verification key was made for");
    }
    const keys: string[] = [];
    for await (const { key } of this.store.list(rootsPrefix)) keys.push(key);
    for await (const { key } of this.store.list(`${this.prefix}keys/`)) keys.push(key);
    if (!keys.some((key) => key.startsWith(rootsPrefix)))
      this.problem(rootsPrefix, "ObjectMissing", "no key descriptor is left");
    if (!keys.some((key) => key.startsWith(this.prefix)))
      this.problem(`${this.prefix}keys/`, "ObjectMissing", "the organization's wrapped key is gone");
    for (const key of keys) {
      const bytes = await this.read(key);
      if (bytes !== null && !isRecordIntact(bytes)) this.problem(key, "ObjectCorrupt", "its checksum does not match");
    }
  }

  async manifests(expectedLatest: { sequence: number; hash: string } | null): Promise<void> {
    let before: { sequence: number; hash: string } | null = null;
    const folder = `${this.prefix}manifests/`;
    for await (const { key } of this.store.list(folder)) {
      const name = key.slice(folder.length);
      if (!/^\d{10}$/.test(name)) {
        this.problem(key, "ObjectForeign", "it is not a manifest's name");
        continue;
      }
      const sequence = Number(name);
      const bytes = await this.read(key);
      if (bytes === null) continue;
      this.manifestCount += 1;
      const hash = sha256(bytes);
      const header = this.header(key, sequence, bytes);
      if (header !== null) {
        for (const { name: pack, sizeBytes } of header.packs) this.named.set(pack, { sizeBytes, by: key });
        if (before !== null && before.sequence === sequence - 1 && header.previousManifestHash !== before.hash) {
          this.problem(key, "RepositoryRolledBack", `the manifest before it is not the one that it was written after`);
        }
      }
      if (before !== null && before.sequence < sequence - 1) {
        this.notes.push(
          `manifests ${before.sequence + 1} to ${sequence - 1} are not there (released by retention, or removed)`,
        );
      }
      before = { sequence, hash };
    }
    if (expectedLatest !== null && (before === null || before.sequence < expectedLatest.sequence)) {
      this.problem(folder, "RepositoryRolledBack", `backup ${expectedLatest.sequence} was written, and is gone`);
    } else if (
      expectedLatest !== null &&
      before?.sequence === expectedLatest.sequence &&
      before.hash !== expectedLatest.hash
    ) {
      this.problem(folder, "RepositoryRolledBack", `backup ${expectedLatest.sequence} is not the one that was written`);
    }
  }

  async packs(): Promise<void> {
    const folder = `${this.prefix}packs/`;
    const present = new Set<string>();
    for await (const { key, sizeBytes } of this.store.list(folder)) {
      const name = key.slice(folder.length);
      const expected = this.named.get(name);
      present.add(name);
      if (!/^[0-9a-f]{64}$/.test(name)) this.problem(key, "ObjectForeign", "it is not a pack's name");
      if (expected === undefined) {
        this.notes.push(`${key} is named by no manifest (${sizeBytes} bytes)`);
      } else if (expected.sizeBytes !== sizeBytes) {
        this.problem(key, "ObjectCorrupt", `it has ${sizeBytes} bytes instead of ${expected.sizeBytes}`);
      }
      await this.pack(key, name);
    }
    for (const [name, { by }] of this.named) {
      if (!present.has(name)) this.problem(`${folder}${name}`, "ObjectMissing", `${by} needs it`);
    }
  }

  report(): IntegrityReport {
    const { organizationId, manifestCount, packCount, bytes, problems, notes } = this;
    return { organizationId, manifests: manifestCount, packs: packCount, bytes, problems, notes };
  }

  private async pack(key: string, name: string): Promise<void> {
    const bytes = await this.read(key);
    if (bytes === null) return;
    this.packCount += 1;
    if (createHash("sha256").update(bytes).digest("hex") !== name) {
      this.problem(key, "ObjectCorrupt", "its bytes are not the ones that its name states");
    } else if (!isIntact(this.verification.key, this.place("pack", key), bytes)) {
      this.problem(key, "ObjectForeign", "it was not sealed for this organization");
    }
  }

  private header(key: string, sequence: number, bytes: Buffer) {
    const place = { ...this.place("manifest", key), sequence };
    if (!isIntact(this.verification.key, place, bytes)) {
      this.problem(key, "ObjectCorrupt", "it is damaged, in the wrong place, or of another organization");
      return null;
    }
    try {
      return manifestHeaderSchema.parse(JSON.parse(readClear(place, bytes).toString("utf8")));
    } catch (error) {
      if (error instanceof BackupError) this.problem(key, error.code, error.message);
      else this.problem(key, "FormatUnsupported", "its header is of a form that this version does not know");
      return null;
    }
  }

  private place(kind: ObjectPlace["kind"], objectKey: string): ObjectPlace {
    return { kind, repositoryId: this.verification.repositoryId, organizationId: this.organizationId, objectKey };
  }

  private async read(key: string): Promise<Buffer | null> {
    try {
      const bytes = await this.store.read(key);
      this.objects += 1;
      this.bytes += bytes.length;
      this.onProgress?.({ objects: this.objects, bytes: this.bytes });
      return bytes;
    } catch (error) {
      if (
        !(error instanceof BackupError) ||
        !["ObjectMissing", "ChecksumMismatch", "ObjectCorrupt"].includes(error.code)
      )
        throw error;
      this.problem(key, error.code, error.message);
      return null;
    }
  }

  private problem(key: string, code: ErrorCode, message: string): void {
    this.problems.push({ key, code, message });
  }
}

function isRecordIntact(bytes: Buffer): boolean {
  const [line = "", sum = ""] = bytes.toString("utf8").split("\n");
  return (
    bytes.equals(Buffer.from(`${line}\n${createHash("sha256").update(line).digest("hex")}\n`)) && sum.length === 64
  );
}

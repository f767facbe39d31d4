// One reading of everything that an organization has in the store, object by object: how much it was, and what was found.
import type { ObjectPlace } from "../crypto/sealed-object.ts";
import type { ErrorCode } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { isDamage, type Problem } from "./damage.ts";
import { refuseOversize } from "./limits.ts";
import type { VerificationKey } from "./verification-key.ts";

export interface Listed {
  readonly key: string;
  readonly name: string;
  readonly sizeBytes: number;
}

export type OnProgress = (progress: { objects: number; bytes: number }) => void;

export class IntegrityRead {
  readonly store: ObjectStore;
  readonly organizationId: string;
  readonly verification: VerificationKey;
  readonly problems: Problem[] = [];
  /** Not wrong, but worth knowing. */
  readonly notes: string[] = [];
  bytes = 0;
  private objects = 0;
  private readonly onProgress: OnProgress | undefined;

  constructor(
    store: ObjectStore,
    organizationId: string,
    verification: VerificationKey,
    onProgress: OnProgress | undefined,
  ) {
    this.store = store;
    this.organizationId = organizationId;
    this.verification = verification;
    this.onProgress = onProgress;
  }

  place(kind: ObjectPlace["kind"], objectKey: string): ObjectPlace {
    return { kind, repositoryId: this.verification.repositoryId, organizationId: this.organizationId, objectKey };
  }

  async *list(prefix: string): AsyncGenerator<Listed> {
    for await (const { key, sizeBytes } of this.store.list(prefix))
      yield { key, name: key.slice(prefix.length), sizeBytes };
  }

  /** @throws what isDamage() names */
  async take(key: string, sizeBytes: number, maxBytes: number): Promise<Buffer> {
    refuseOversize(key, sizeBytes, maxBytes);
    const bytes = await this.store.read(key);
    this.objects += 1;
    this.bytes += bytes.length;
    this.onProgress?.({ objects: this.objects, bytes: this.bytes });
    return bytes;
  }

  /** Null where it can't be had; then that is a problem already. */
  async read(key: string, sizeBytes: number, maxBytes: number): Promise<Buffer | null> {
    try {
      return await this.take(key, sizeBytes, maxBytes);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.problem(key, error.code, error.message);
      return null;
    }
  }

  problem(key: string, code: ErrorCode, message: string): void {
    const named = `${key}: `; // an error names the object itself; here its key stands beside it
    this.problems.push({ key, code, message: message.startsWith(named) ? message.slice(named.length) : message });
  }
}

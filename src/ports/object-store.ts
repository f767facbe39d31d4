// Where sealed objects live. Adapters: filesystem, s3, memory (for fault tests). All pass test/contract/object-store.
// Keys are ASCII paths with "/" between parts. Nothing is ever overwritten: every write is create-only.

export interface StoredObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

/** One thing that the store still holds, whether or not a listing shows it. */
export interface StoredVersion {
  readonly key: string;
  readonly sizeBytes: number;
  /** version: an object's bytes, present or older; marker: that it was deleted; upload: parts of a write that never ended. */
  readonly kind: "version" | "marker" | "upload";
  /** The store's own name of it; null where a store keeps one version only. */
  readonly versionId: string | null;
}

/** A lock that the store itself keeps on a version: nobody can remove it before its end. */
export interface ObjectLock {
  readonly key: string;
  readonly kind: "retention" | "legal hold";
  /** ISO 8601 UTC; null for a legal hold, which ends when somebody lifts it. */
  readonly until: string | null;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface CreateOptions {
  readonly signal?: AbortSignal;
  /** SHA-256 of the body, hex, by a caller who has it already; a store that must state it need not compute it again. */
  readonly sha256?: string;
}

export interface ObjectStore {
  /** For people and logs, without credentials: "s3 bucket wedsync (eu-west-1)", "folder /var/backups". */
  readonly description: string;

  /**
   * Creates an object, atomically: readers see all of it or nothing. Large bodies go up in parts.
   * The adapter sends a checksum that the store verifies.
   * @throws ObjectExists when the key is taken (and writes nothing), StorageFull, StorageReadOnly, StorageAccessDenied,
   *   StorageBucketMissing, StorageRejected, StorageUnreachable, ChecksumMismatch; the signal's reason when it is aborted.
   *   After StorageUnreachable or an abort the object may or may not exist, whole: callers that retry treat ObjectExists
   *   as done only after comparing the content.
   */
  create(key: string, body: Uint8Array, options?: CreateOptions): Promise<void>;

  /**
   * The whole object, checked against the store's checksum where it keeps one; or a range, cut short at the object's end.
   * @throws ObjectMissing, ChecksumMismatch, …
   */
  read(key: string, options?: { readonly range?: ByteRange; readonly signal?: AbortSignal }): Promise<Buffer>;

  /**
   * A link by which anybody reads the whole object for so long, past us and with the store's own strength. Absent where a
   * store knows none. What it gives is sealed.
   */
  readonly signLink?: (key: string, validSeconds: number) => Promise<string>;

  /** Null when there is no such object. */
  stat(key: string): Promise<StoredObject | null>;

  /** All objects whose key starts with prefix, in key order, whatever their number. */
  list(prefix: string): AsyncIterable<StoredObject>;

  /** Deleting what is not there succeeds. A store that keeps older versions goes on keeping them. */
  delete(keys: readonly string[]): Promise<void>;

  /**
   * Everything under the prefix that the store holds, in no order: also older versions, marks of deletions, and parts of
   * writes that never ended. For erasure.
   */
  listVersions(prefix: string): AsyncIterable<StoredVersion>;

  /** Removes these for good, or gives those back that the store would not let go. What is not there counts as removed. */
  destroy(versions: readonly StoredVersion[]): Promise<readonly StoredVersion[]>;

  /** Locks that hold now on anything under the prefix. */
  listLocks(prefix: string): AsyncIterable<ObjectLock>;

  close(): Promise<void>;
}

// One voice for all stores: what was being done, what the store said, and what to do about it.
import { BackupError, type ErrorCode } from "../../domain/errors.ts";

export type StoreAction = "writing" | "reading" | "looking for" | "listing" | "deleting";

export interface StorageFailure {
  /** The store's own description. */
  readonly store: string;
  readonly action: StoreAction;
  /** A key or a prefix; may be empty. */
  readonly key: string;
  /** The vendor's name for it: "ENOSPC", "AccessDenied, HTTP 403". */
  readonly reason: string;
  readonly advice: Partial<Record<ErrorCode, string>>;
  readonly cause: unknown;
}

const sentences: Partial<Record<ErrorCode, string>> = {
  ObjectExists: "there is an object of that name already",
  ObjectMissing: "there is no such object",
  ChecksumMismatch: "bytes changed on the way to or from the store, or in it",
  StorageAccessDenied: "the store refused the credentials or the permission",
  StorageBucketMissing: "the bucket or folder does not exist",
  StorageFull: "the store has no room left",
  StorageReadOnly: "the store can be read, but not written",
  StorageRejected: "the store does not take such a request",
  StorageUnreachable: "the store does not answer, or answered with a passing error",
};

export function storageError(code: ErrorCode, failure: StorageFailure): BackupError {
  const { store, action, key, reason, advice, cause } = failure;
  const place = key === "" ? action : `${action} ${key}`;
  const text = `${store}, ${place}: ${sentences[code] ?? "it failed"} (${reason}).`;
  const hint = advice[code];
  return new BackupError(code, hint === undefined ? text : `${text} ${hint}`, { object: key, reason }, { cause });
}

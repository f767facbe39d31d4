// S3's many names for what went wrong, under ours.
import type { S3ServiceException } from "@aws-sdk/client-s3";
import { BackupError, type ErrorCode } from "../../domain/errors.ts";
import { storageError, type StoreAction } from "./storage-error.ts";

const byName: Record<string, ErrorCode> = {
  PreconditionFailed: "ObjectExists",
  NoSuchKey: "ObjectMissing",
  NotFound: "ObjectMissing",
  NoSuchBucket: "StorageBucketMissing",
  BadDigest: "ChecksumMismatch",
  InvalidDigest: "ChecksumMismatch",
  XAmzContentSHA256Mismatch: "ChecksumMismatch",
  XAmzContentChecksumMismatch: "ChecksumMismatch",
  InvalidChecksum: "ChecksumMismatch",
  AccessDenied: "StorageAccessDenied",
  InvalidAccessKeyId: "StorageAccessDenied",
  SignatureDoesNotMatch: "StorageAccessDenied",
  ExpiredToken: "StorageAccessDenied",
  InvalidToken: "StorageAccessDenied",
  // versitygw's name for an unknown key id.
  XAdminUserNotFound: "StorageAccessDenied",
  CredentialsProviderError: "StorageAccessDenied",
  // A signature for another region than the bucket's.
  AuthorizationHeaderMalformed: "StorageAccessDenied",
  PermanentRedirect: "StorageAccessDenied",
  QuotaExceeded: "StorageFull",
  // Passing, although they come as 4xx.
  ConditionalRequestConflict: "StorageUnreachable",
  OperationAborted: "StorageUnreachable",
  RequestTimeout: "StorageUnreachable",
  RequestTimeTooSkewed: "StorageRejected",
  SlowDown: "StorageUnreachable",
  NoSuchUpload: "StorageUnreachable",
};

const byStatus: Record<number, ErrorCode> = {
  401: "StorageAccessDenied",
  403: "StorageAccessDenied",
  408: "StorageUnreachable",
  409: "StorageUnreachable",
  412: "ObjectExists",
  429: "StorageUnreachable",
  501: "StorageRejected",
  507: "StorageFull",
};

const advice: Partial<Record<ErrorCode, string>> = {
  StorageAccessDenied:
    "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, BACKUP_STORAGE_REGION and the bucket's policy (s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject).",
  StorageBucketMissing: "Make the bucket, or check BACKUP_STORAGE_BUCKET and BACKUP_STORAGE_ENDPOINT.",
  StorageReadOnly: "The credentials need s3:PutObject, and nothing may deny it.",
  StorageRejected:
    "It must know If-None-Match, CRC32 checksums and multipart uploads; where BACKUP_STORAGE_SSE is set, server-side encryption; and its clock must be right.",
  StorageUnreachable: "Check BACKUP_STORAGE_ENDPOINT and the network.",
};

type Failure = Partial<S3ServiceException> & { readonly code?: string };

export function s3ErrorCode(error: unknown): ErrorCode {
  if (error instanceof BackupError) return error.code;
  const { name = "", message = "", $metadata } = error as Failure;
  const status = $metadata?.httpStatusCode ?? 0;
  const named = byName[name];
  if (named !== undefined) return named;
  // Only a nameless 404 is an object's: a proxy's or an unknown one must not make a repository seem to be gone.
  if (status === 404) return isNameless(error) ? "ObjectMissing" : "StorageRejected";
  // The SDK compares a download with the store's checksum, and throws an error without a name of its own.
  if (/checksum mismatch/i.test(message)) return "ChecksumMismatch";
  return byStatus[status] ?? (status >= 400 && status < 500 ? "StorageRejected" : "StorageUnreachable");
}

export function mapS3Error(
  error: unknown,
  where: { readonly store: string; readonly action: StoreAction; readonly key: string },
  code: ErrorCode = s3ErrorCode(error),
): BackupError {
  if (error instanceof BackupError) return error;
  return storageError(code, { ...where, reason: reasonOf(error as Failure), advice, cause: error });
}

/** Names and numbers only: a server's sentence may quote the request. */
function reasonOf({ name = "", code, $metadata }: Failure): string {
  const word = name === "" || name === "Error" ? (code ?? "failed") : name;
  const status = $metadata?.httpStatusCode;
  return status === undefined ? word : `${word}, HTTP ${status}`;
}

/** The answer to a HEAD has no body, and so no name for what is wrong. */
export const isNameless = (error: unknown): boolean => {
  const { name = "", $metadata } = error as Failure;
  return $metadata?.httpStatusCode !== undefined && ["", "Error", "Unknown", "UnknownError", "NotFound"].includes(name);
};

/** Whether the SDK tried more than once: then the first try may have been done without our hearing of it. */
export const wasTriedAgain = (error: unknown): boolean => ((error as Failure).$metadata?.attempts ?? 1) > 1;

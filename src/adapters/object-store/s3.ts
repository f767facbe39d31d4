// Objects in S3 or a compatible store. Create-only by If-None-Match; a CRC-64 or SHA-256 travels with each upload and is
// verified by the server, and by the SDK on each whole download. Retries belong to Temporal: the SDK makes one more try.
import type { S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import { BackupError, type ErrorCode } from "../../domain/errors.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import { checkKey } from "./check-key.ts";

export interface S3StoreOptions {
  readonly bucket: string;
  readonly region?: string | null;
  readonly endpoint?: string | null;
  /** Without these the SDK's own chain applies (environment, profile, instance role). */
  readonly accessKeyId?: string | null;
  readonly secretAccessKey?: string | null;
  /** Server-side encryption in addition to ours. */
  readonly serverSideEncryption?: "AES256" | "aws:kms" | null;
  /** Larger bodies go up in parts of this size. */
  readonly partBytes?: number;
}

const codes: Record<string, ErrorCode> = {
  PreconditionFailed: "ObjectExists",
  ConditionalRequestConflict: "ObjectExists",
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
  CredentialsProviderError: "StorageAccessDenied",
  QuotaExceeded: "StorageFull",
  MethodNotAllowed: "StorageReadOnly",
};

export async function createS3Store(options: S3StoreOptions): Promise<ObjectStore> {
  // Imported here: it takes 0.3 s, and stores on disk need none of it.
  const sdk = await import("@aws-sdk/client-s3");
  const { bucket, partBytes = 64 * 1024 * 1024 } = options;
  const client: S3Client = new sdk.S3Client({
    region: options.region ?? "us-east-1",
    ...(options.endpoint ? { endpoint: options.endpoint, forcePathStyle: true } : {}),
    ...(options.accessKeyId && options.secretAccessKey
      ? { credentials: { accessKeyId: options.accessKeyId, secretAccessKey: options.secretAccessKey } }
      : {}),
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 10_000, requestTimeout: 300_000, expectContinueTimeout: 0 } as never,
    requestChecksumCalculation: "WHEN_SUPPORTED",
    responseChecksumValidation: "WHEN_SUPPORTED",
  });
  // "Expect: 100-continue" makes some servers wait a second for every upload.
  client.middlewareStack.remove("addExpectContinueMiddleware");
  const description = `bucket ${bucket}${options.endpoint ? ` at ${new URL(options.endpoint).host}` : ""}`;
  const failed = (error: unknown, key: string): BackupError => mapS3Error(error, description, key);
  const where = (key: string) => {
    checkKey(key);
    return { Bucket: bucket, Key: key };
  };
  const encryption = options.serverSideEncryption ? { ServerSideEncryption: options.serverSideEncryption } : {};
  const checksum = { ChecksumAlgorithm: "CRC32" as const };

  async function createInParts(key: string, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { UploadId } = await client.send(
      new sdk.CreateMultipartUploadCommand({ ...where(key), ...encryption, ...checksum }),
    );
    try {
      const parts = [];
      for (let at = 0, number = 1; at < body.length; at += partBytes, number++) {
        const part = await client.send(
          new sdk.UploadPartCommand({
            ...where(key),
            UploadId,
            PartNumber: number,
            Body: body.subarray(at, at + partBytes),
            ...checksum,
          }),
          { abortSignal: signal },
        );
        parts.push({ PartNumber: number, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 });
      }
      await client.send(
        new sdk.CompleteMultipartUploadCommand({
          ...where(key),
          UploadId,
          MultipartUpload: { Parts: parts },
          IfNoneMatch: "*",
        }),
      );
    } catch (error) {
      // Unfinished parts are not listed, but they are paid for.
      await client.send(new sdk.AbortMultipartUploadCommand({ ...where(key), UploadId })).catch(() => {}); // the error below counts; the bucket's life cycle sweeps
      throw error;
    }
  }

  return {
    description,
    async create(key, body, { signal } = {}) {
      try {
        if (body.length > partBytes) return await createInParts(key, body, signal);
        await client.send(
          new sdk.PutObjectCommand({ ...where(key), Body: body, IfNoneMatch: "*", ...encryption, ...checksum }),
          {
            abortSignal: signal,
          },
        );
      } catch (error) {
        throw signal?.aborted === true ? error : failed(error, key);
      }
    },
    async read(key, { range, signal } = {}) {
      if (range?.length === 0) return Buffer.alloc(0);
      try {
        const Range = range === undefined ? {} : { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` };
        const { Body } = await client.send(
          new sdk.GetObjectCommand({ ...where(key), ...Range, ChecksumMode: "ENABLED" }),
          { abortSignal: signal },
        );
        return Buffer.from((await Body?.transformToByteArray()) ?? []);
      } catch (error) {
        if ((error as Error).name === "InvalidRange") return Buffer.alloc(0); // beyond the end, as a file would answer
        throw signal?.aborted === true ? error : failed(error, key);
      }
    },
    async stat(key) {
      try {
        const { ContentLength, LastModified } = await client.send(new sdk.HeadObjectCommand(where(key)));
        return { key, sizeBytes: ContentLength ?? 0, modifiedAt: LastModified ?? new Date(0) };
      } catch (error) {
        const mapped = failed(error, key);
        if (mapped.code === "ObjectMissing") return null;
        throw mapped;
      }
    },
    async *list(prefix) {
      let ContinuationToken: string | undefined;
      do {
        let page;
        try {
          page = await client.send(new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken }));
        } catch (error) {
          throw failed(error, prefix);
        }
        for (const { Key, Size, LastModified } of page.Contents ?? []) {
          if (Key !== undefined) yield { key: Key, sizeBytes: Size ?? 0, modifiedAt: LastModified ?? new Date(0) };
        }
        ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      } while (ContinuationToken !== undefined);
    },
    async delete(keys) {
      for (let at = 0; at < keys.length; at += 1000) {
        const batch = keys.slice(at, at + 1000);
        try {
          for (const key of batch) checkKey(key);
          const { Errors } = await client.send(
            new sdk.DeleteObjectsCommand({
              Bucket: bucket,
              Delete: { Objects: batch.map((Key) => ({ Key })), Quiet: true },
            }),
          );
          const [first] = Errors ?? [];
          if (first !== undefined)
            throw Object.assign(new Error("delete refused"), { name: first.Code ?? "AccessDenied" });
        } catch (error) {
          throw failed(error, batch[0] ?? "");
        }
      }
    },
    async close() {
      client.destroy();
    },
  };
}

export function mapS3Error(error: unknown, description: string, key: string): BackupError {
  if (error instanceof BackupError) return error;
  const failure = error as Partial<S3ServiceException> & { code?: string; Code?: string };
  const name = failure.name ?? "";
  const status = failure.$metadata?.httpStatusCode ?? 0;
  const byStatus: Record<number, ErrorCode> = {
    403: "StorageAccessDenied",
    401: "StorageAccessDenied",
    404: "ObjectMissing",
    409: "ObjectExists",
    412: "ObjectExists",
    507: "StorageFull",
  };
  const mismatch = /checksum/i.test(failure.message ?? "") && status < 400;
  const code = codes[name] ?? (mismatch ? "ChecksumMismatch" : (byStatus[status] ?? "StorageUnreachable"));
  const hints: Partial<Record<ErrorCode, string>> = {
    StorageAccessDenied: " Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy.",
    StorageBucketMissing: " Make the bucket, or check BACKUP_STORAGE_BUCKET.",
    StorageUnreachable: " Check BACKUP_STORAGE_ENDPOINT and the network.",
  };
  return new BackupError(
    code,
    `${description}: ${key}: ${name === "" ? (failure.code ?? "failed") : name}.${hints[code] ?? ""}`,
    { object: key },
    { cause: error },
  );
}

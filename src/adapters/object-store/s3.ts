// Objects in S3 or a compatible store. Create-only by If-None-Match; a CRC-32 travels with each upload and is verified by
// the server, and by the SDK on each whole download.
import type { PutObjectCommand } from "@aws-sdk/client-s3";
import { BackupError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import { checkKey, checkPrefix, checkRange } from "./check-key.ts";
import { openS3, type S3Access } from "./s3-client.ts";
import { isNameless, mapS3Error, wasTriedAgain } from "./s3-errors.ts";
import { nextPage } from "./s3-pages.ts";
import { createInParts, type MultipartTarget } from "./s3-multipart.ts";
import { destroyVersions, listLocks, listVersions } from "./s3-versions.ts";
import type { StoreAction } from "./storage-error.ts";

export interface S3StoreOptions extends S3Access {
  readonly bucket: string;
  /** Server-side encryption in addition to ours. */
  readonly serverSideEncryption?: "AES256" | "aws:kms" | null;
  /** Larger bodies go up in parts of this size; S3 wants 5 MiB or more. */
  readonly partBytes?: number;
  readonly abandonedUploadMs?: number;
}

export async function createS3Store(options: S3StoreOptions): Promise<ObjectStore> {
  const { sdk, client } = await openS3(options);
  const { bucket, partBytes = 64 * 1024 * 1024, serverSideEncryption = null } = options;
  const { abandonedUploadMs: abandonedMs = 24 * 60 * 60 * 1000 } = options;
  const multipart: MultipartTarget = { sdk, client, bucket, partBytes, serverSideEncryption, abandonedMs };
  const description = `bucket ${bucket}${options.endpoint ? ` at ${new URL(options.endpoint).host}` : ""}`;
  const failed = (error: unknown, action: StoreAction, key: string): BackupError =>
    mapS3Error(error, { store: description, action, key });
  const where = (key: string) => ({ Bucket: bucket, Key: key });

  async function read(key: string, range?: string, signal?: AbortSignal): Promise<Buffer> {
    const { Body, ContentLength } = await client.send(
      new sdk.GetObjectCommand({ ...where(key), Range: range, ChecksumMode: "ENABLED" }),
      { abortSignal: signal },
    );
    const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
    if (ContentLength !== undefined && bytes.length !== ContentLength)
      throw Object.assign(new Error("short body"), { name: "IncompleteBody" });
    return bytes;
  }

  /** The failed write under its right name, or nothing when it was done after all. */
  async function settle(error: unknown, key: string, body: Uint8Array): Promise<void> {
    const failure = failed(error, "writing", key);
    if (failure.code === "ObjectExists" && wasTriedAgain(error)) {
      // The SDK's second try may have met what its first one wrote.
      if ((await read(key).catch(() => null))?.equals(body) === true) return;
    }
    if (failure.code === "StorageAccessDenied" && s3NameOf(error) === "AccessDenied" && (await canBeRead()))
      throw mapS3Error(error, { store: description, action: "writing", key }, "StorageReadOnly");
    throw failure;
  }

  async function askBucket(key: string): Promise<void> {
    await client.send(new sdk.ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 })).catch((error: unknown) => {
      throw failed(error, "looking for", key);
    });
  }

  const canBeRead = (): Promise<boolean> =>
    askBucket("").then(
      () => true,
      () => false, // the refused write is what is reported
    );

  return {
    description,
    async signLink(key, validSeconds) {
      checkKey(key);
      const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner");
      // Asked for by the caller's plain GET, which sends no header of ours: none may be part of what is signed.
      return await getSignedUrl(client, new sdk.GetObjectCommand(where(key)), { expiresIn: validSeconds });
    },
    async create(key, body, { signal, sha256 } = {}) {
      checkKey(key);
      signal?.throwIfAborted();
      try {
        if (body.length > partBytes) return await createInParts(multipart, key, body, signal);
        const encryption = serverSideEncryption === null ? {} : { ServerSideEncryption: serverSideEncryption };
        const put = new sdk.PutObjectCommand({
          ...where(key),
          Body: body,
          IfNoneMatch: "*",
          ...encryption,
          ChecksumAlgorithm: "CRC32",
        });
        if (sha256 !== undefined) statePayloadHash(put, sha256);
        const { ETag } = await client.send(put, { abortSignal: signal });
        // A store says what it keeps; a proxy that answers in its place says only that all is well.
        if (ETag === undefined) throw Object.assign(new Error("not the store's answer"), { name: "UnstoredObject" });
      } catch (error) {
        signal?.throwIfAborted();
        await settle(error, key, body);
      }
    },
    async read(key, { range, signal } = {}) {
      checkKey(key);
      if (range !== undefined) checkRange(range);
      try {
        // HTTP has no way to ask for nothing.
        if (range?.length === 0) return (await read(key, "bytes=0-0", signal)).subarray(0, 0);
        return await read(key, range && `bytes=${range.offset}-${range.offset + range.length - 1}`, signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (s3NameOf(error) === "InvalidRange") return Buffer.alloc(0); // beyond the end, as a file would answer
        throw failed(error, "reading", key);
      }
    },
    async stat(key) {
      checkKey(key);
      try {
        const { ContentLength, LastModified } = await client.send(new sdk.HeadObjectCommand(where(key)));
        return { key, sizeBytes: ContentLength ?? 0, modifiedAt: LastModified ?? new Date(0) };
      } catch (error) {
        const failure = failed(error, "looking for", key);
        // A listing's answer has the name that a HEAD's lacks, and tells a missing object from a missing bucket.
        if (isNameless(error)) await askBucket(key);
        if (failure.code === "ObjectMissing") return null;
        throw failure;
      }
    },
    async *list(prefix) {
      checkPrefix(prefix);
      let place: ReturnType<typeof nextPage> = [undefined];
      do {
        let page;
        try {
          const from = { Bucket: bucket, Prefix: prefix, ContinuationToken: place[0] };
          page = await client.send(new sdk.ListObjectsV2Command(from));
          place = nextPage(page, [page.NextContinuationToken], place);
        } catch (error) {
          throw failed(error, "listing", prefix);
        }
        for (const { Key, Size, LastModified } of page.Contents ?? []) {
          if (Key !== undefined) yield { key: Key, sizeBytes: Size ?? 0, modifiedAt: LastModified ?? new Date(0) };
        }
      } while (place !== null);
    },
    async delete(keys) {
      for (const key of keys) checkKey(key);
      for (let at = 0; at < keys.length; at += 1000) {
        const batch = keys.slice(at, at + 1000);
        let refused = batch[0] ?? "";
        try {
          const { Errors } = await client.send(
            new sdk.DeleteObjectsCommand({
              Bucket: bucket,
              Delete: { Objects: batch.map((Key) => ({ Key })), Quiet: true },
            }),
          );
          const [first] = Errors ?? [];
          if (first === undefined) continue;
          refused = first.Key ?? refused;
          throw Object.assign(new Error("delete refused"), { name: first.Code ?? "AccessDenied" });
        } catch (error) {
          throw failed(error, "deleting", refused);
        }
      }
    },
    async *listVersions(prefix) {
      checkPrefix(prefix);
      try {
        yield* listVersions(multipart, prefix);
      } catch (error) {
        throw failed(error, "listing", prefix);
      }
    },
    async destroy(versions) {
      try {
        return await destroyVersions(multipart, versions);
      } catch (error) {
        throw failed(error, "deleting", versions[0]?.key ?? "");
      }
    },
    async *listLocks(prefix) {
      checkPrefix(prefix);
      try {
        yield* listLocks(multipart, prefix);
      } catch (error) {
        throw failed(error, "listing", prefix);
      }
    },
    async close() {
      client.destroy();
    },
  };
}

/** What the request's signature covers; the server compares it with the body. Without it the SDK hashes the body once more. */
function statePayloadHash(put: PutObjectCommand, sha256: string): void {
  put.middlewareStack.add(
    (next) => (sending) => {
      (sending.request as { headers: Record<string, string> }).headers["x-amz-content-sha256"] = sha256;
      return next(sending);
    },
    { step: "build", name: "statePayloadHash" },
  );
}

const s3NameOf = (error: unknown): string => (error as { name?: string }).name ?? "";

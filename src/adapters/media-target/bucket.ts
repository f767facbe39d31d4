// Media put back into an S3 bucket. An object appears whole or not at all, also when it goes up in parts.
import { BackupError } from "../../domain/errors.ts";
import type { MediaTarget } from "../../ports/media-target.ts";
import type { BucketMediaOptions } from "../media-source/bucket.ts";
import { s3ErrorCode } from "../object-store/s3-errors.ts";

/** S3 refuses smaller parts, but for the last one. */
const partBytes = 8 * 1024 * 1024;

export async function createBucketMediaTarget(options: BucketMediaOptions): Promise<MediaTarget> {
  const sdk = await import("@aws-sdk/client-s3");
  const { bucket: Bucket, prefix } = options;
  const client = new sdk.S3Client({
    region: options.region ?? "us-east-1",
    ...(options.endpoint ? { endpoint: options.endpoint, forcePathStyle: true } : {}),
    ...(options.accessKeyId && options.secretAccessKey
      ? { credentials: { accessKeyId: options.accessKeyId, secretAccessKey: options.secretAccessKey } }
      : {}),
    maxAttempts: 3,
  });
  const description = `bucket ${Bucket}${prefix === "" ? "" : `/${prefix}`}`;
  const keyOf = (path: string): string => {
    if (path === "" || path.split("/").some((part) => part === "" || part === "." || part === ".."))
      throw new BackupError(
        "MediaAccessDenied",
        `${description}: a row names a file that no path can name; that one is not put back.`,
      );
    return prefix + path;
  };
  const failed = (error: unknown): BackupError => {
    if (error instanceof BackupError) return error;
    const code = s3ErrorCode(error);
    return new BackupError(
      code === "StorageAccessDenied" ? "MediaAccessDenied" : "MediaUnreachable",
      `${description}: writing failed (${code}).`,
      {},
      { cause: error },
    );
  };

  async function writeInParts(Key: string, parts: AsyncIterable<Buffer>): Promise<void> {
    const { UploadId } = await client.send(new sdk.CreateMultipartUploadCommand({ Bucket, Key }));
    try {
      const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
      for await (const Body of parts) {
        const PartNumber = Parts.length + 1;
        const { ETag } = await client.send(new sdk.UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }));
        Parts.push({ PartNumber, ETag });
      }
      await client.send(new sdk.CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
    } catch (error) {
      // What went up must not be kept; should this fail, too, the bucket's lifecycle rule removes it.
      await client.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(() => {});
      throw error;
    }
  }

  return {
    description,
    async write(path, content, { sizeBytes }) {
      try {
        const Key = keyOf(path);
        if (sizeBytes > partBytes) return await writeInParts(Key, cutParts(content));
        const chunks: Buffer[] = [];
        for await (const chunk of content) chunks.push(chunk);
        await client.send(new sdk.PutObjectCommand({ Bucket, Key, Body: Buffer.concat(chunks) }));
      } catch (error) {
        throw failed(error);
      }
    },
    async remove(path) {
      try {
        await client.send(new sdk.DeleteObjectCommand({ Bucket, Key: keyOf(path) }));
      } catch (error) {
        throw failed(error);
      }
    },
    async close() {
      client.destroy();
    },
  };
}

async function* cutParts(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    held.push(chunk);
    bytes += chunk.length;
    if (bytes < partBytes) continue;
    yield Buffer.concat(held);
    held = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(held);
}

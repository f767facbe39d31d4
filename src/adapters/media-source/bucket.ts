// Media in an S3 bucket. Version tag = ETag.
import { BackupError } from "../../domain/errors.ts";
import type { MediaSource } from "../../ports/media-source.ts";
import { mapS3Error } from "../object-store/s3.ts";

export interface BucketMediaOptions {
  readonly bucket: string;
  /** Put before every path; empty or ending with "/". */
  readonly prefix: string;
  readonly region: string | null;
  readonly endpoint: string | null;
  readonly accessKeyId: string | null;
  readonly secretAccessKey: string | null;
}

export async function createBucketMediaSource(options: BucketMediaOptions): Promise<MediaSource> {
  const sdk = await import("@aws-sdk/client-s3");
  const { bucket, prefix } = options;
  const client = new sdk.S3Client({
    region: options.region ?? "us-east-1",
    ...(options.endpoint ? { endpoint: options.endpoint, forcePathStyle: true } : {}),
    ...(options.accessKeyId && options.secretAccessKey
      ? { credentials: { accessKeyId: options.accessKeyId, secretAccessKey: options.secretAccessKey } }
      : {}),
    maxAttempts: 3,
  });
  const description = `bucket ${bucket}${prefix === "" ? "" : `/${prefix}`}`;
  const isSound = (path: string): boolean =>
    path !== "" && !path.split("/").some((part) => part === "" || part === "." || part === "..");
  const failed = (error: unknown): BackupError => {
    const { code } = mapS3Error(error, description, "a media file");
    return new BackupError(
      code === "StorageAccessDenied" ? "MediaAccessDenied" : "MediaUnreachable",
      `${description}: reading failed (${code}).`,
      {},
      { cause: error },
    );
  };
  return {
    description,
    async stat(path) {
      if (!isSound(path)) return null;
      try {
        const { ContentLength, LastModified, ETag } = await client.send(
          new sdk.HeadObjectCommand({ Bucket: bucket, Key: prefix + path }),
        );
        return {
          path,
          sizeBytes: ContentLength ?? 0,
          modifiedAt: (LastModified ?? new Date(0)).toISOString(),
          versionTag: ETag ?? "",
        };
      } catch (error) {
        if (mapS3Error(error, description, "").code === "ObjectMissing") return null;
        throw failed(error);
      }
    },
    async read(path, { offset, length }) {
      try {
        const Range = `bytes=${offset}-${offset + length - 1}`;
        const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: prefix + path, Range }));
        const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
        if (bytes.length < length)
          throw new BackupError("MediaUnreachable", "A file became shorter while it was read.");
        return bytes;
      } catch (error) {
        throw error instanceof BackupError ? error : failed(error);
      }
    },
    async close() {
      client.destroy();
    },
  };
}

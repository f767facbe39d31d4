// Media in an S3 bucket. Version tag = ETag.
import { BackupError } from "../../domain/errors.ts";
import type { MediaSource } from "../../ports/media-source.ts";
import { openS3, type S3Access } from "../object-store/s3-client.ts";
import { isNameless, mapS3Error, s3ErrorCode } from "../object-store/s3-errors.ts";
import { relativeMediaPath } from "./media-path.ts";

export interface BucketMediaOptions extends S3Access {
  readonly bucket: string;
  /** Put before every path; empty or ending with "/". */
  readonly prefix: string;
}

export async function createBucketMediaSource(options: BucketMediaOptions): Promise<MediaSource> {
  const { sdk, client } = await openS3(options);
  const { bucket, prefix } = options;
  const description = `bucket ${bucket}${prefix === "" ? "" : `/${prefix}`}`;
  /** Without the file's name: it can be personal, and errors reach the workflow's history. */
  const failed = (error: unknown): BackupError => {
    if (error instanceof BackupError) return error;
    const { code, details } = mapS3Error(error, { store: description, action: "reading", key: "" });
    const reason = String(details["reason"]);
    const told: Partial<Record<typeof code, string>> = {
      StorageAccessDenied: `refused to be read (${reason}). Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy: s3:ListBucket and s3:GetObject are needed.`,
      StorageBucketMissing: `does not exist (${reason}). Check BACKUP_MEDIA_URL and BACKUP_STORAGE_ENDPOINT.`,
      StorageRejected: `does not take such a request (${reason}).`,
    };
    const lasting = told[code];
    return lasting === undefined
      ? new BackupError(
          "MediaUnreachable",
          `The media source, ${description}, does not answer (${reason}).`,
          {},
          { cause: error },
        )
      : new BackupError("MediaAccessDenied", `The media source, ${description}, ${lasting}`, {}, { cause: error });
  };

  let bucketSeen: Promise<unknown> | null = null;
  /** The answer to a HEAD does not tell a missing file from a missing bucket: then every file would seem to be missing. */
  async function seeBucket(): Promise<void> {
    bucketSeen ??= client.send(new sdk.ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 }));
    await bucketSeen.catch((error: unknown) => {
      bucketSeen = null;
      throw failed(error);
    });
  }

  return {
    description,
    async stat(path) {
      const relative = relativeMediaPath(path);
      if (relative === null) return null;
      try {
        const { ContentLength, LastModified, ETag } = await client.send(
          new sdk.HeadObjectCommand({ Bucket: bucket, Key: prefix + relative }),
        );
        return {
          path,
          sizeBytes: ContentLength ?? 0,
          modifiedAt: (LastModified ?? new Date(0)).toISOString(),
          versionTag: ETag ?? "",
        };
      } catch (error) {
        if (isNameless(error)) await seeBucket();
        if (s3ErrorCode(error) === "ObjectMissing") return null;
        throw failed(error);
      }
    },
    async read(path, { offset, length }) {
      const relative = relativeMediaPath(path);
      if (relative === null) throw new BackupError("MediaUnreachable", "A file went away while it was read.");
      if (length === 0) return Buffer.alloc(0);
      let bytes: Buffer;
      try {
        const Range = `bytes=${offset}-${offset + length - 1}`;
        const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: prefix + relative, Range }));
        bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
      } catch (error) {
        const { name } = error as Error;
        if (s3ErrorCode(error) === "ObjectMissing" || name === "InvalidRange")
          throw new BackupError(
            "MediaUnreachable",
            "A file went away or became shorter while it was read.",
            {},
            { cause: error },
          );
        throw failed(error);
      }
      if (bytes.length < length) throw new BackupError("MediaUnreachable", "A file became shorter while it was read.");
      return bytes;
    },
    async close() {
      client.destroy();
    },
  };
}

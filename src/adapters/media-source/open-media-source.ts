// Chooses the adapter by BACKUP_MEDIA_URL: a folder, file://…, or s3://bucket/prefix.
import { fileURLToPath } from "node:url";
import type { MediaSource } from "../../ports/media-source.ts";
import type { S3Access } from "../object-store/s3-client.ts";
import { createBucketMediaSource } from "./bucket.ts";
import { createFolderMediaSource } from "./folder.ts";

export async function openMediaSource(url: string | null, s3: S3Access): Promise<MediaSource> {
  if (url === null) return noMedia;
  if (url.startsWith("s3://")) {
    const { hostname, pathname } = new URL(url);
    const prefix = pathname.replace(/^\/+/, "").replace(/\/*$/, "/");
    return await createBucketMediaSource({ ...s3, bucket: hostname, prefix: prefix === "/" ? "" : prefix });
  }
  return createFolderMediaSource(url.startsWith("file:") ? fileURLToPath(url) : url);
}

/** Without a media source every file that a row names is missing, and the backup says so. */
const noMedia: MediaSource = {
  description: "none (BACKUP_MEDIA_URL is not set)",
  stat: async () => null,
  read: async () => Buffer.alloc(0),
  close: async () => {},
};

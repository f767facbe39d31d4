// Chooses the adapter by BACKUP_MEDIA_URL.
import type { MediaSource } from "../../ports/media-source.ts";
import type { S3Access } from "../object-store/s3-client.ts";
import { createBucketMediaSource } from "./bucket.ts";
import { createFolderMediaSource } from "./folder.ts";
import { readMediaUrl } from "./media-place.ts";

export async function openMediaSource(url: string | null, s3: S3Access): Promise<MediaSource> {
  if (url === null) return noMedia;
  const place = readMediaUrl(url);
  return "bucket" in place ? await createBucketMediaSource({ ...s3, ...place }) : createFolderMediaSource(place.folder);
}

/** Without a media source every file that a row names is missing, and the backup says so. */
const noMedia: MediaSource = {
  description: "none (BACKUP_MEDIA_URL is not set)",
  stat: async () => null,
  read: async () => Buffer.alloc(0),
  close: async () => {},
};

// Chooses the adapter by BACKUP_MEDIA_URL, as for reading.
import { fileURLToPath } from "node:url";
import { BackupError } from "../../domain/errors.ts";
import type { MediaTarget } from "../../ports/media-target.ts";
import type { BucketMediaOptions } from "../media-source/bucket.ts";
import { createBucketMediaTarget } from "./bucket.ts";
import { createFolderMediaTarget } from "./folder.ts";

export async function openMediaTarget(
  url: string | null,
  s3: Omit<BucketMediaOptions, "bucket" | "prefix">,
): Promise<MediaTarget> {
  if (url === null) return noMedia;
  if (url.startsWith("s3://")) {
    const { hostname, pathname } = new URL(url);
    const prefix = pathname.replace(/^\/+/, "").replace(/\/*$/, "/");
    return await createBucketMediaTarget({ ...s3, bucket: hostname, prefix: prefix === "/" ? "" : prefix });
  }
  return createFolderMediaTarget(url.startsWith("file:") ? fileURLToPath(url) : url);
}

const nowhere = async (): Promise<never> => {
  throw new BackupError("MediaAccessDenied", "BACKUP_MEDIA_URL is not set: files have no place to be put back to.");
};
const noMedia: MediaTarget = {
  description: "none (BACKUP_MEDIA_URL is not set)",
  write: nowhere,
  remove: nowhere,
  close: async () => {},
};

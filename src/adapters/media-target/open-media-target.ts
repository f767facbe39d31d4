// Chooses the adapter by BACKUP_MEDIA_URL, as for reading.
import { BackupError } from "../../domain/errors.ts";
import type { MediaTarget } from "../../ports/media-target.ts";
import type { BucketMediaOptions } from "../media-source/bucket.ts";
import { readMediaUrl } from "../media-source/media-place.ts";
import { createBucketMediaTarget } from "./bucket.ts";
import { createFolderMediaTarget } from "./folder.ts";

export async function openMediaTarget(
  url: string | null,
  s3: Omit<BucketMediaOptions, "bucket" | "prefix">,
): Promise<MediaTarget> {
  if (url === null) return noMedia;
  const place = readMediaUrl(url);
  return "bucket" in place ? await createBucketMediaTarget({ ...s3, ...place }) : createFolderMediaTarget(place.folder);
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

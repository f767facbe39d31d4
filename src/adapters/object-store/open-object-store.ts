// Chooses the adapter by configuration.
import { BackupError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import { createFilesystemStore } from "./filesystem.ts";
import { createS3Store } from "./s3.ts";

export interface StorageSettings {
  readonly provider: "filesystem" | "aws" | "gcp" | "azure";
  /** A bucket's name; for filesystem, a folder. */
  readonly bucket: string;
  readonly region: string | null;
  readonly endpoint: string | null;
  readonly accessKeyId: string | null;
  readonly secretAccessKey: string | null;
}

export async function openObjectStore(settings: StorageSettings): Promise<ObjectStore> {
  switch (settings.provider) {
    case "filesystem":
      return createFilesystemStore({ rootDir: settings.bucket });
    case "aws":
      return await createS3Store(settings);
    case "gcp":
    case "azure":
      throw new BackupError(
        "ConfigurationInvalid",
        `BACKUP_STORAGE_PROVIDER=${settings.provider} is not available yet; use filesystem or aws (also for S3-compatible stores).`,
      );
  }
}

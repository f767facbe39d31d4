// Chooses the adapter by configuration.
import { BackupError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import { createFilesystemStore } from "./filesystem.ts";
import { sweepDrafts } from "./filesystem-drafts.ts";
import { createS3Store } from "./s3.ts";

export interface StorageSettings {
  readonly provider: "filesystem" | "aws" | "gcp" | "azure";
  /** A bucket's name; for filesystem, a folder. */
  readonly bucket: string;
  readonly region: string | null;
  readonly endpoint: string | null;
  readonly accessKeyId: string | null;
  readonly secretAccessKey: string | null;
  readonly sessionToken: string | null;
  readonly serverSideEncryption: "AES256" | "aws:kms" | null;
}

export async function openObjectStore(settings: StorageSettings): Promise<ObjectStore> {
  switch (settings.provider) {
    case "filesystem":
      await sweepDrafts(settings.bucket); // what a killed process left half written
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

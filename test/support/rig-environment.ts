// The variables by which the command line reaches a rig's servers, its store and its files.
import { join } from "node:path";
import type { BackupRig } from "./backup-rig.ts";

export const environmentOf = (rig: BackupRig) => ({
  BACKUP_SOURCE_DATABASE_URL: rig.database.url,
  BACKUP_DATA_DIR: join(rig.folder, "data"),
  BACKUP_ENCRYPTION_KEY: rig.key,
  BACKUP_STORAGE_BUCKET: rig.storeDir,
  BACKUP_MEDIA_URL: rig.mediaDir,
  TEMPORAL_ADDRESS: rig.temporal.address,
  TEMPORAL_NAMESPACE: rig.temporal.namespace,
});

// Every workflow of this product, for the bundler.
export { backupOrganization } from "./backup-organization.ts";
export { eraseOrganization } from "./erase-organization.ts";
export { notify, watchOverduePolicies } from "./notify.ts";
export { pruneBackups } from "./prune-backups.ts";
export { storeBatches } from "./store-batches.ts";
export { restoreOrganization } from "./restore-organization.ts";
export { rollbackRestore } from "./rollback-restore.ts";
export { runVerificationPolicy, verifyBackup } from "./verify-backup.ts";
export { runBackupPolicy } from "./run-policy.ts";
export { runTriggeredBackup } from "./trigger-backup.ts";

// Every workflow of this product, for the bundler.
export { backupOrganization } from "./backup-organization.ts";
export { runBackupPolicy } from "./run-policy.ts";

// One operation on an organization at a time: what the ledgers of backups and of restores share.
import { BackupError } from "../domain/errors.ts";

/** Longer than any stage; each stage that matters extends it. A crashed holder blocks the organization no longer. */
export const leaseInterval = "4 hours";

export const busy = (organizationId: string): BackupError =>
  new BackupError(
    "OrganizationBusy",
    `Another operation on organization ${organizationId} is under way; try again when it is over.`,
    { organizationId },
  );

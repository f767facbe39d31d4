// What a backup writes into, and asks of, the control tables. The object store stays the truth about what is backed up.
import type { BackupOutcome, BackupRequest } from "../domain/backup-request.ts";
import type { ErrorCode } from "../domain/errors.ts";

export interface JobLedger {
  /**
   * Takes the organization's lease and opens the job, in one step; asking again for the same job gives the same token.
   * @throws OrganizationBusy when another operation holds the lease.
   */
  openJob(job: {
    jobId: string;
    organizationId: string;
    workflowId: string;
    request: BackupRequest;
  }): Promise<{ fencingToken: number }>;
  /** @throws OrganizationBusy when the lease is not this token's any more. Also extends it. */
  assertLease(lease: { organizationId: string; fencingToken: number }): Promise<void>;
  completeJob(input: { outcome: BackupOutcome; manifestHash: string; fencingToken: number }): Promise<void>;
  /** Closes the job and gives its lease back, whichever token that has. Safe to call for a job that was never opened. */
  failJob(input: {
    jobId: string;
    organizationId: string;
    code: ErrorCode;
    message: string;
    stages: BackupOutcome["stages"];
    /** Set when the manifest was written before the run failed. */
    sealed: { readonly sequence: number; readonly manifestHash: string } | null;
  }): Promise<void>;
  /** The newest manifest that a job wrote; to notice one that was taken away from the store. */
  latestManifest(organizationId: string): Promise<{ sequence: number; hash: string } | null>;
}

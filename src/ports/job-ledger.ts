// What a run writes into, and asks of, the control tables. The object store stays the truth about what is backed up.
import type { BackupOutcome, BackupRequest, ProofLevel } from "../domain/backup-request.ts";
import type { ErrorCode } from "../domain/errors.ts";
import type { PolicySchedule, Prerequisite, ScheduleSkips, SkippedRun } from "../domain/policy.ts";
import type { RuleFinding } from "../domain/restore-run.ts";
import type { VerificationLevel, VerifyOrder } from "../domain/verify-run.ts";

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
  readPolicyRequest(policyId: string): Promise<Pick<BackupRequest, "dataSets" | "proof"> | null>;
  /** In the audit log alone: there is no job. */
  recordSkippedRun(run: SkippedRun): Promise<void>;
  /** Those whose skipped runs were counted longest ago come first. */
  listSchedulesToCount(most: number): Promise<PolicySchedule[]>;
  /** What is new since the last count goes into the audit log. Null: Temporal has no such schedule. May be repeated. */
  recordScheduleSkips(schedule: PolicySchedule, skips: ScheduleSkips | null): Promise<void>;
  readPrerequisites(policyId: string): Promise<readonly Prerequisite[]>;
  /** The newest manifest that a job wrote; to notice one that was taken away from the store. */
  latestManifest(organizationId: string): Promise<{ sequence: number; hash: string } | null>;
  /**
   * Of so many of the organization's newest backups, by id: the keys of what verifications found damaged, and none since then found
   * whole again.
   */
  listDamage(organizationId: string, most: number): Promise<ReadonlyMap<string, readonly string[]>>;
  recordVerification(input: {
    jobId: string;
    organizationId: string;
    level: ProofLevel;
    objects: number;
    bytes: number;
    problems: readonly { key: string; code: string; message: string }[];
    startedAt: Date;
    sequence?: number;
    rows?: number;
    restoreSeconds?: number | null;
    rules?: readonly RuleFinding[];
    part?: VerifyOrder["part"];
  }): Promise<void>;
  /** What the policy asks of verification, and which part of the stored bytes comes next; null = nothing, or paused. */
  readVerificationPolicy(
    policyId: string,
  ): Promise<{ level: VerificationLevel; part: { number: number; of: number } } | null>;
}

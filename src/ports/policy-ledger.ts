// What runs that a policy starts ask of it, and what is kept of those that did not come about.
import type { BackupRequest } from "../domain/backup-request.ts";
import type { PolicySchedule, Prerequisite, ScheduleSkips, SkippedRun } from "../domain/policy.ts";
import type { VerificationLevel } from "../domain/verify-run.ts";

export interface PolicyLedger {
  /** Null = there is none, or it is paused. */
  readPolicyRequest(policyId: string): Promise<Pick<BackupRequest, "dataSets" | "proof"> | null>;
  /** In the audit log alone: there is no job. */
  recordSkippedRun(run: SkippedRun): Promise<void>;
  /** Those whose skipped runs were counted longest ago come first. */
  listSchedulesToCount(most: number): Promise<PolicySchedule[]>;
  /** What is new since the last count goes into the audit log. Null: Temporal has no such schedule. May be repeated. */
  recordScheduleSkips(schedule: PolicySchedule, skips: ScheduleSkips | null): Promise<void>;
  readPrerequisites(policyId: string): Promise<readonly Prerequisite[]>;
  /** What the policy asks of verification, and which part of the stored bytes comes next; null = nothing, or paused. */
  readVerificationPolicy(
    policyId: string,
  ): Promise<{ level: VerificationLevel; part: { number: number; of: number } } | null>;
}

// A backup policy: when an organization is backed up, and how the backup is proven.
import type { ProofLevel } from "./backup-request.ts";
import type { RetentionRules } from "./retention.ts";
import type { VerificationPolicy } from "./verify-run.ts";

export interface Policy {
  readonly id: string;
  readonly organizationId: string;
  readonly name: string;
  /** Five fields, in timeZone. */
  readonly cron: string;
  readonly timeZone: string;
  /** Starts are spread over so many seconds, so that a thousand policies at 02:00 do not start at once. */
  readonly jitterSeconds: number;
  /** A run that was missed (no server, no worker) is caught up when it is not older than this. */
  readonly catchupSeconds: number;
  readonly proof: ProofLevel;
  readonly dataSets: readonly string[] | null;
  /** Proofs on a schedule of their own; null = backups are proven only when they are made. */
  readonly verification: VerificationPolicy | null;
  /** Which of its backups are kept; null = all of them, for ever. */
  readonly retention: RetentionRules | null;
  readonly paused: boolean;
  readonly version: number;
}

/** A run of a policy that began no backup. */
export interface SkippedRun {
  readonly policyId: string;
  readonly organizationId: string;
  /** PolicyNotFound: it is gone or paused. */
  readonly code: "PolicyNotFound" | "OrganizationBusy" | "PrerequisiteFailed" | "OrganizationErased";
}

/** Runs that Temporal's schedule did not start, since it was made. */
export interface ScheduleSkips {
  /** The run before it was still going on. */
  readonly stillRunning: number;
  /** Temporal was away for longer than the policy catches up. */
  readonly missed: number;
}

/** A policy has one or two of them. */
export interface PolicySchedule {
  readonly policyId: string;
  readonly organizationId: string;
  readonly kind: "backup" | "verification";
}

/** A policy that must have run well before another one runs. */
export interface Prerequisite {
  readonly policyId: string;
  readonly name: string;
  /** How its newest run stands; none: it has not run yet. */
  readonly newest: "none" | "running" | "completed" | "incomplete" | "failed" | "cancelled";
}

/** Whether a policy may run now, has to wait, or must not. Pure. */
export function judgePrerequisites(
  prerequisites: readonly Prerequisite[],
): { readonly verdict: "run" | "wait" } | { readonly verdict: "fail"; readonly because: readonly string[] } {
  const failed = prerequisites.filter(({ newest }) => newest === "failed" || newest === "cancelled");
  if (failed.length > 0) return { verdict: "fail", because: failed.map(({ name }) => name) };
  const isOpen = prerequisites.some(({ newest }) => newest === "running" || newest === "none");
  return { verdict: isOpen ? "wait" : "run" };
}

export const policyDefaults = {
  timeZone: "UTC",
  jitterSeconds: 300,
  catchupSeconds: 6 * 60 * 60,
  proof: "content",
} as const;

export const scheduleIdOf = (policy: Pick<Policy, "organizationId" | "id">): string =>
  `backup:${policy.organizationId}:${policy.id}`;
export const scheduleIdPrefix = "backup:";

export const verificationScheduleIdOf = (policy: Pick<Policy, "organizationId" | "id">): string =>
  `verify:${policy.organizationId}:${policy.id}`;
export const verificationScheduleIdPrefix = "verify:";

// A backup policy: when an organization is backed up, and how the backup is proven.
import type { ProofLevel } from "./backup-request.ts";
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
  readonly paused: boolean;
  readonly version: number;
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

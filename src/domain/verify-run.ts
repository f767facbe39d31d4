// A verification that is started on its own: what is asked, and what came out. Both lie in workflow history.
import type { ProofLevel } from "./backup-request.ts";
import type { BackupChoice, RuleFinding } from "./restore-run.ts";

export type VerificationLevel = Exclude<ProofLevel, "none">;

export interface VerifyOrder {
  readonly verificationId: string;
  readonly organizationId: string;
  readonly choice: BackupChoice;
  readonly level: VerificationLevel;
  /** For integrity: one part of the stored bytes, 1 to `of`. Null = all. */
  readonly part: { readonly number: number; readonly of: number } | null;
  readonly requestedBy: string;
}

export interface Proof {
  readonly level: VerificationLevel;
  readonly objects: number;
  readonly bytes: number;
  readonly rows: number;
  /** The first of them; `problemCount` counts all. */
  readonly problems: readonly { readonly key: string; readonly code: string; readonly message: string }[];
  readonly problemCount: number;
  /** Measured by a restore test; else null. */
  readonly restoreSeconds: number | null;
  readonly rules: readonly RuleFinding[];
  readonly notes: readonly string[];
}

export interface VerifyOutcome extends Proof {
  readonly verificationId: string;
  readonly organizationId: string;
  readonly backupId: string;
  readonly sequence: number;
  readonly part: VerifyOrder["part"];
  readonly durationMs: number;
}

/** What a policy asks for, apart from its backups. */
export interface VerificationPolicy {
  /** Five fields, in the policy's time zone. */
  readonly cron: string;
  readonly level: VerificationLevel;
  /** Within so many runs every stored byte is read once. */
  readonly nights: number;
}

export const verifyWorkflowId = (order: Pick<VerifyOrder, "organizationId" | "verificationId">): string =>
  `verify/${order.organizationId}/${order.verificationId}`;

// The activities of verifications that are started on their own, as types only; see contract.ts.
import type { VerificationLevel, Proof, VerifyOrder } from "../src/domain/verify-run.ts";
import type { ChosenBackup } from "../src/domain/restore-run.ts";

export interface VerifyControlActivities {
  /** What a policy asks of verification now, and which part of the bytes is next; null when nothing. */
  readVerificationPolicy(input: {
    policyId: string;
  }): Promise<{ level: VerificationLevel; part: { number: number; of: number } } | null>;
}

export interface VerifyActivities {
  /** Proves a stored backup at the asked level, and records what it found. Problems are no failure of the activity. */
  proveBackup(input: { order: VerifyOrder; backup: ChosenBackup }): Promise<Proof>;
}

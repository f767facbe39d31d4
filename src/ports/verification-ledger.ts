// What verifications found.
import type { ProofLevel } from "../domain/backup-request.ts";
import type { RuleFinding } from "../domain/restore-run.ts";
import type { VerifyOrder } from "../domain/verify-run.ts";

export interface VerificationLedger {
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
  /**
   * Of so many of the organization's newest backups, by id: the keys of what verifications found damaged, and none since then found
   * whole again.
   */
  listDamage(organizationId: string, most: number): Promise<ReadonlyMap<string, readonly string[]>>;
}

// What retention writes into, and asks of, the control tables.
import type { ErrorCode } from "../domain/errors.ts";
import type { ReleasedBackups, SweptStore } from "../domain/prune-run.ts";
import type { RetentionFacts } from "../domain/retention-facts.ts";

export interface PruneLease {
  readonly organizationId: string;
  readonly fencingToken: number;
}

export interface RetentionLedger {
  /** Whether a prune would find something to do; from the control tables alone. */
  isPruneDue(organizationId: string): Promise<boolean>;
  /**
   * Takes the organization's lease and opens the run's row, in one step; asking again for the same run gives the same token.
   * @throws OrganizationBusy while a backup or a restore runs.
   */
  openPrune(input: {
    pruneId: string;
    organizationId: string;
    workflowId: string;
    requestedBy: string;
  }): Promise<{ fencingToken: number }>;
  readFacts(organizationId: string): Promise<RetentionFacts>;
  /**
   * Which of these backups may be let go now; no one can begin to read those any more.
   * @throws OrganizationBusy when the lease is not this token's any more.
   */
  claimReleases(lease: PruneLease, sequences: readonly number[]): Promise<readonly number[]>;
  /** Extends the lease. @throws OrganizationBusy when it is not this token's any more; LegalHoldActive. */
  assertMayRemove(lease: PruneLease): Promise<void>;
  /** After the release record is written: which backups count. `listed`: all numbers that do. */
  recordReleases(organizationId: string, listed: readonly number[]): Promise<void>;
  completePrune(input: PruneLease & { pruneId: string; released: ReleasedBackups; swept: SweptStore }): Promise<void>;
  /** Gives the lease back, too. Safe to call for a run that was never opened. */
  failPrune(input: { pruneId: string; organizationId: string; code: ErrorCode; message: string }): Promise<void>;
  /** So that retention leaves the backup alone while it is read. False: it was let go already. */
  holdBackup(input: { organizationId: string; sequence: number; reader: string; seconds: number }): Promise<boolean>;
  dropHold(input: { organizationId: string; reader: string }): Promise<void>;
}

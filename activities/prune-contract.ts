// The activities of retention, as types only; see contract.ts.
import type { ErrorCode } from "../src/domain/errors.ts";
import type { PruneOrder, ReleasedBackups, SweptStore } from "../src/domain/prune-run.ts";

export interface PruneStep {
  readonly pruneId: string;
  readonly organizationId: string;
  readonly fencingToken: number;
}

export interface PruneControlActivities {
  /** Whether a prune would find something to do. */
  isPruneDue(input: { organizationId: string }): Promise<boolean>;
  /** Takes the organization's lease and opens the run's row. Idempotent by the prune's id. */
  openPrune(input: {
    pruneId: string;
    organizationId: string;
    workflowId: string;
    requestedBy: string;
  }): Promise<{ fencingToken: number }>;
  reportPrune(input: PruneStep & { released: ReleasedBackups; swept: SweptStore }): Promise<void>;
  /** Closes the row under the failure's name and gives the lease back. Safe for a run that was never opened. */
  closeFailedPrune(input: { pruneId: string; organizationId: string; code: ErrorCode; message: string }): Promise<void>;
}

export interface PruneActivities {
  /** Judges the stored backups and writes the release record. From there what is let go is listed no longer. */
  releaseBackups(input: PruneStep & { order: PruneOrder }): Promise<ReleasedBackups>;
  /** Removes what is released and what nothing needs any more, as far as its time has come. */
  sweepStore(input: PruneStep & { order: PruneOrder }): Promise<SweptStore>;
}

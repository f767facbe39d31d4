// The activities of an erasure, as types only; see contract.ts. All are safe to repeat.
import type { EraseOrder, ErasureOutcome } from "../src/domain/erase-run.ts";
import type { ErrorCode } from "../src/domain/errors.ts";

export interface EraseStep extends EraseOrder {
  readonly fencingToken: number;
}

/** Short; run beside the workflow, without a task of their own. */
export interface EraseControlActivities {
  /** Takes the organization's lease. @throws OrganizationBusy */
  openErasure(order: EraseOrder): Promise<{ readonly fencingToken: number }>;
  /** The point of no return. @throws LegalHoldActive, OrganizationBusy */
  orderErasure(step: EraseStep): Promise<void>;
  releaseErasure(order: EraseOrder): Promise<void>;
  /** Before the point of no return: refused. Behind it the order stands. Gives the lease back. */
  closeErasure(input: EraseOrder & { readonly code: ErrorCode; readonly message: string }): Promise<void>;
}

export interface EraseActivities {
  /** `done`: it was erased before, and nothing has come back. @throws LegalHoldActive, ObjectLocked */
  inspectErasure(step: EraseStep): Promise<{ readonly done: ErasureOutcome | null }>;
  /** From here on the store itself says that the organization is erased. */
  raiseTombstone(step: EraseStep): Promise<void>;
  /** From here on nobody can read its backups. */
  destroyKeys(step: EraseStep): Promise<{ readonly keys: number }>;
  countStored(step: EraseStep): Promise<void>;
  /** Ends with a listing that finds nothing but what the store locks. */
  deleteStored(step: EraseStep): Promise<{ readonly kept: number }>;
  /** Rows of the organization that restores have kept for their undoing. */
  forgetUndo(step: EraseStep): Promise<{ readonly undoRows: number }>;
  endSchedules(step: EraseStep): Promise<void>;
  forgetRows(step: EraseStep): Promise<void>;
  /** `finishedAt` comes from the workflow: a second attempt writes the same certificate. */
  certifyErasure(step: EraseStep & { readonly finishedAt: string }): Promise<ErasureOutcome>;
}

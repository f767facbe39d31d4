// What an erasure writes into, and asks of, the control tables.
import type { ErasureStatus, Remaining, StoredAmounts } from "../domain/erase-run.ts";
import type { ErrorCode } from "../domain/errors.ts";

export interface ErasureKey {
  readonly erasureId: string;
  readonly organizationId: string;
}

export interface ErasureRow extends ErasureKey {
  readonly status: ErasureStatus;
  readonly requestedBy: string;
  /** All moments: ISO 8601 UTC. */
  readonly requestedAt: string;
  readonly leaveLocked: boolean;
  readonly orderedAt: string | null;
  readonly keysDestroyedAt: string | null;
  readonly finishedAt: string | null;
  /** Names of the wrapped keys; null until they were looked for. */
  readonly keyIds: readonly string[] | null;
  /** What was there of keys, before they went. */
  readonly keyAmounts: StoredAmounts | null;
  /** What was there of everything else, before it went. */
  readonly amounts: StoredAmounts | null;
  readonly controlRows: Readonly<Record<string, number>> | null;
  readonly remaining: readonly Remaining[];
  readonly certificate: string | null;
  readonly certificateRoot: string | null;
  readonly certificateMac: string | null;
  readonly errorCode: ErrorCode | null;
  readonly errorMessage: string | null;
}

/** Where a restore has written, and so keeps rows for its undoing. */
export interface UndoPlace {
  /** Null = the source database; else its sealed URL. */
  readonly targetSealed: string | null;
  readonly restoreIds: readonly string[];
}

export interface ErasureLedger {
  /** Takes the organization's lease. @throws OrganizationBusy, also while a restore waits for people. */
  openErasure(key: ErasureKey): Promise<{ readonly fencingToken: number }>;
  readErasure(key: ErasureKey): Promise<ErasureRow>;
  /** @throws LegalHoldActive */
  assertNoHold(organizationId: string): Promise<void>;
  /** The point of no return; again for one that is ordered already. @throws OrganizationBusy when the lease is lost. */
  orderErasure(input: ErasureKey & { readonly fencingToken: number }): Promise<void>;
  extendLease(input: ErasureKey & { readonly fencingToken: number }): Promise<void>;
  releaseLease(key: ErasureKey): Promise<void>;
  /** The first figures stay: a second attempt finds less. */
  recordKeys(
    key: ErasureKey,
    found: { readonly keyIds: readonly string[]; readonly amounts: StoredAmounts },
  ): Promise<void>;
  recordKeysDestroyed(key: ErasureKey): Promise<void>;
  recordAmounts(key: ErasureKey, amounts: StoredAmounts): Promise<void>;
  listUndoPlaces(organizationId: string): Promise<readonly UndoPlace[]>;
  listSchedules(organizationId: string): Promise<{
    readonly policyIds: readonly string[];
    readonly triggerWorkflowIds: readonly string[];
  }>;
  forgetOrganization(key: ErasureKey): Promise<void>;
  recordRemaining(key: ErasureKey, remaining: readonly Remaining[]): Promise<void>;
  /** Keeps the certificate, writes it into the audit log, and gives the lease back: at once or not at all. */
  completeErasure(input: {
    readonly key: ErasureKey;
    readonly status: "erased" | "incomplete";
    readonly finishedAt: string;
    readonly certificate: string;
    readonly signature: { readonly rootKeyId: string; readonly mac: string };
  }): Promise<void>;
  /** Refused before the point of no return; behind it the order stands, with what went wrong. Gives the lease back. */
  closeErasure(key: ErasureKey, failure: { readonly code: ErrorCode; readonly message: string }): Promise<void>;
}

// One erasure on its way through Temporal: what is asked, and what came out. Both lie in workflow history: ids, counts and
// moments only.

export interface EraseOrder {
  readonly erasureId: string;
  readonly organizationId: string;
}

export const eraseWorkflowId = ({ organizationId }: Pick<EraseOrder, "organizationId">): string =>
  `erase/${organizationId}`;

/** Nothing in the world makes up for a mistake here: what is typed must be the id (or name) to the letter. */
export const isConfirmed = (typed: string, organizationId: string, name: string | null = null): boolean =>
  typed === organizationId || (name !== null && name !== "" && typed === name);

/** What lies in the store, older versions and marks of deletions included. */
export interface StoredAmounts {
  readonly keys: number;
  readonly manifests: number;
  readonly packs: number;
  /** Anything else under the organization's name. */
  readonly others: number;
  readonly bytes: number;
}

export const noAmounts: StoredAmounts = { keys: 0, manifests: 0, packs: 0, others: 0, bytes: 0 };

export const addAmounts = (one: StoredAmounts, other: StoredAmounts): StoredAmounts => ({
  keys: one.keys + other.keys,
  manifests: one.manifests + other.manifests,
  packs: one.packs + other.packs,
  others: one.others + other.others,
  bytes: one.bytes + other.bytes,
});

export const subtractAmounts = (all: StoredAmounts, left: StoredAmounts): StoredAmounts => ({
  keys: all.keys - left.keys,
  manifests: all.manifests - left.manifests,
  packs: all.packs - left.packs,
  others: all.others - left.others,
  bytes: all.bytes - left.bytes,
});

export const countAmounts = ({ keys, manifests, packs, others }: StoredAmounts): number =>
  keys + manifests + packs + others;

/** What could not be removed, and why. Unreadable all the same: its key is gone. */
export interface Remaining {
  readonly what: string;
  readonly why: string;
}

/** requested → ordered → erased; or refused. incomplete: something is left that the store will not let go yet. */
export type ErasureStatus = "requested" | "refused" | "ordered" | "incomplete" | "erased";

/** From here on the organization's backups can't be read, restored or added to. */
export const isErasedStatus = (status: ErasureStatus): boolean =>
  status === "ordered" || status === "incomplete" || status === "erased";

export interface ErasureOutcome {
  readonly erasureId: string;
  readonly organizationId: string;
  readonly status: "erased" | "incomplete";
  readonly removed: StoredAmounts;
  readonly remaining: readonly Remaining[];
}

/** Signed and kept: who had what erased, when, and what is left. */
export interface ErasureCertificate {
  readonly certificate: "wedsync-backup erasure";
  readonly version: 1;
  readonly erasureId: string;
  readonly organizationId: string;
  readonly repositoryId: string;
  readonly orderedBy: string;
  readonly requestedAt: string;
  readonly orderedAt: string;
  readonly keysDestroyedAt: string;
  readonly finishedAt: string;
  readonly status: ErasureOutcome["status"];
  /** Names of the wrapped keys that were destroyed: ids, not keys. */
  readonly keyIds: readonly string[];
  readonly removed: StoredAmounts;
  /** Rows of the control tables that were deleted, by table. */
  readonly controlRows: Readonly<Record<string, number>>;
  readonly remaining: readonly Remaining[];
}

/** What every erasure leaves, by design; stands in the certificate. */
export const alwaysRemaining: readonly Remaining[] = [
  {
    what: "the audit log of the organization",
    why: "evidence; ids, counts and moments of what was done, hash-chained",
  },
  { what: "the erasure's own record, and a tombstone in the store", why: "so that the organization stays erased" },
  {
    what: "workflow history in Temporal until its retention ends",
    why: "ids and counts only; Temporal removes it by itself",
  },
  {
    what: "copies of the store from before, and the live data",
    why: "out of this product's reach; a copy with its wrapped key opens with the root key until that is rotated and destroyed",
  },
];

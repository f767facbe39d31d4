// A run of retention on one organization: what is asked, and what came out. Both lie in workflow history.

export interface PruneOrder {
  readonly organizationId: string;
  /** "cli", a policy's id. */
  readonly requestedBy: string;
  /** Backups that are missing and that nothing accounts for: a person knows why, and says so. */
  readonly forgetMissing: boolean;
  /** Null = the format's own (src/repository/prune-vault.ts). */
  readonly graceMs: number | null;
}

export interface ReleasedBackups {
  readonly kept: number;
  /** Numbers of the backups that were let go. */
  readonly released: readonly number[];
  readonly legalHold: boolean;
}

export interface SweptStore {
  readonly removedManifests: number;
  readonly removedPacks: number;
  readonly removedBytes: number;
  readonly quarantinedPacks: number;
  /** ISO 8601; when the next quarantined pack may be removed; null = none waits. */
  readonly nextDueAt: string | null;
}

export interface PruneOutcome extends ReleasedBackups, SweptStore {
  readonly pruneId: string;
  readonly organizationId: string;
  readonly durationMs: number;
}

/** One run at a time for an organization. */
export const pruneWorkflowId = (organizationId: string): string => `prune/${organizationId}`;

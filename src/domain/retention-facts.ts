// What the control tables know of an organization's backups, beside what the store shows: which policy made which, how it
// was proven, who needs it now. Without them every backup counts as made by no policy, and stays.
import type { JudgedBackup, RetentionPolicy } from "./retention.ts";

export interface BackupFacts {
  readonly backupId: string;
  readonly sequence: number;
  readonly createdAtMs: number;
  readonly complete: boolean;
  readonly policyId: string | null;
  readonly isFull: boolean;
  readonly beforeRestore: boolean;
  readonly proof: JudgedBackup["proof"];
}

export interface RetentionFacts {
  readonly policies: readonly RetentionPolicy[];
  readonly legalHold: string | null;
  /** Those that the control tables know and that were not let go. */
  readonly backups: readonly BackupFacts[];
  /** A restore waits, for people or for its beginning. */
  readonly restoreWaits: boolean;
  /** Backups that are read right now. */
  readonly readSequences: readonly number[];
  /** Pre-restore backups that a rollback may need. */
  readonly rollbackSequences: readonly number[];
}

interface StoredBackup {
  readonly sequence: number;
  readonly backupId: string;
  readonly createdAt: string;
  readonly complete: boolean;
  readonly beforeRestore?: boolean | undefined;
}

/** The store says what is there, and the facts what is known of it. */
export function describeStored(
  stored: readonly StoredBackup[],
  facts: RetentionFacts,
): (JudgedBackup & Pick<StoredBackup, "backupId" | "createdAt">)[] {
  const known = new Map(facts.backups.map((each) => [each.backupId, each]));
  return stored.map(({ sequence, backupId, createdAt, complete, beforeRestore = false }) => {
    const { policyId = null, isFull = false, proof = "unproven" } = known.get(backupId) ?? {};
    const createdAtMs = Date.parse(createdAt);
    const neededBy = whoNeeds(sequence, facts);
    return {
      sequence,
      backupId,
      createdAt,
      createdAtMs,
      complete,
      beforeRestore,
      policyId,
      isFull,
      proof,
      neededBy,
    } as const;
  });
}

/** From the control tables alone: cheap, and good enough to tell whether it is worth to look at the store. */
export const describeRemembered = (facts: RetentionFacts): JudgedBackup[] =>
  facts.backups.map((each) => ({ ...each, neededBy: whoNeeds(each.sequence, facts) }));

function whoNeeds(sequence: number, facts: RetentionFacts): string | null {
  if (facts.restoreWaits) return "a restore waits";
  if (facts.readSequences.includes(sequence)) return "it is being read";
  if (facts.rollbackSequences.includes(sequence)) return "a restore may be rolled back to it";
  return null;
}

/** Number of the newest backup that the control tables know; 0 = they know none. */
export const newestKnown = ({ backups }: Pick<RetentionFacts, "backups">): number =>
  Math.max(0, ...backups.map(({ sequence }) => sequence));

// What retention would do now: each stored backup with the rules that keep it, and what would be freed. Changes nothing.
import { judgeBackups, type KeepReason } from "../domain/retention.ts";
import { describeStored, newestKnown, type RetentionFacts } from "../domain/retention-facts.ts";
import { planRelease, readStoredState } from "./prune-vault.ts";
import type { OrganizationVault } from "./vault.ts";

export interface RetentionPreview {
  readonly organizationId: string;
  readonly legalHold: string | null;
  /** Oldest first. */
  readonly backups: readonly {
    readonly sequence: number;
    readonly backupId: string;
    readonly createdAt: string;
    readonly complete: boolean;
    readonly proof: "proven" | "unproven" | "failed";
    /** Empty = it would be let go. */
    readonly keptBy: readonly KeepReason[];
  }[];
  readonly kept: number;
  readonly released: number;
  /** Bytes of packs that no kept backup would need; removed once their quarantine is over. */
  readonly unneededBytes: number;
}

export async function previewRetention(
  vault: OrganizationVault,
  facts: RetentionFacts,
  options: { nowMs: number; forgetMissing?: boolean },
): Promise<RetentionPreview> {
  const { nowMs } = options;
  const { policies, legalHold } = facts;
  const state = await readStoredState(vault, { ...options, newestKnown: newestKnown(facts) });
  const judged = judgeBackups({ backups: describeStored(state.manifests, facts), policies, legalHold, nowMs });
  const going = judged.filter(({ keptBy }) => keptBy.length === 0).map(({ backup }) => backup.sequence);
  const { unneeded } = planRelease(state, going, { nowMs, fencingToken: 0 });
  return {
    organizationId: vault.organizationId,
    legalHold,
    backups: judged.map(({ backup, keptBy }) => {
      const { sequence, backupId, createdAt, complete, proof } = backup;
      return { sequence, backupId, createdAt, complete, proof, keptBy };
    }),
    kept: judged.length - going.length,
    released: going.length,
    unneededBytes: unneeded.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}

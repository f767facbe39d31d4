// wedsync-backup prune: lets go of backups that no rule keeps. With --dry-run it says which rule keeps each, and changes
// nothing.
import { runPrune } from "../client/start-prune.ts";
import { readRetentionFacts } from "../control/retention-facts.ts";
import { BackupError } from "../domain/errors.ts";
import type { PruneOutcome } from "../domain/prune-run.ts";
import type { KeepReason } from "../domain/retention.ts";
import { previewRetention, type RetentionPreview } from "../repository/preview-retention.ts";
import { bringWorker } from "./open-worker.ts";
import { nameOrganizations } from "./organization-names.ts";
import { bytes, table } from "./output.ts";
import type { Session } from "./session.ts";

export interface PruneOptions {
  readonly organization?: string;
  readonly dryRun?: boolean;
  readonly forgetMissing?: boolean;
}

interface Failure {
  readonly organizationId: string;
  readonly code: string;
  readonly message: string;
}

export async function runPruneBackups(session: Session, options: PruneOptions): Promise<number> {
  const { organization, dryRun = false, forgetMissing = false } = options;
  if (forgetMissing && organization === undefined)
    throw new BackupError("UsageInvalid", "--forget-missing is about one organization: name it with --organization.");
  const repository = await session.repository();
  const ids = organization === undefined ? await repository.listOrganizations() : [organization];
  const failures: Failure[] = [];
  let exitCode = 0;
  // One that is damaged or busy must not keep the others from being looked at.
  const each = async <T>(work: (organizationId: string) => Promise<T>): Promise<T[]> => {
    const results: T[] = [];
    for (const [index, organizationId] of ids.entries()) {
      session.output.progress(`retention of ${organizationId} (${index + 1} of ${ids.length})`);
      try {
        results.push(await work(organizationId));
      } catch (error) {
        if (!(error instanceof BackupError)) throw error;
        failures.push({ organizationId, code: error.code, message: error.message });
        exitCode ||= error.kind.exitCode;
      }
    }
    return results;
  };
  const names = await nameOrganizations(session);
  const lines = (drawn: readonly string[]): string =>
    [...drawn, ...failures.map((failure) => `${failure.code}: ${failure.message}`)].join("\n\n");

  if (dryRun) {
    const control = await session.control();
    const previews = await each(async (organizationId) =>
      previewRetention(await repository.openVault(organizationId), await readRetentionFacts(control, organizationId), {
        nowMs: Date.now(),
        forgetMissing,
      }),
    );
    session.output.result({ dryRun, organizations: previews, failures }, () =>
      lines(previews.map((preview) => drawPreview(names.get(preview.organizationId), preview))),
    );
    return exitCode;
  }
  const client = await session.client();
  await bringWorker(session);
  const outcomes = await each((organizationId) =>
    runPrune(client, { organizationId, requestedBy: "cli", forgetMissing }),
  );
  session.output.result({ dryRun, organizations: outcomes, failures }, () =>
    lines(outcomes.length === 0 ? [] : [drawOutcomes(outcomes, names)]),
  );
  return exitCode;
}

function drawPreview(name: string | undefined, preview: RetentionPreview): string {
  const { organizationId, backups, kept, released, unneededBytes, legalHold } = preview;
  const rows = backups.map((backup) => [
    String(backup.sequence),
    backup.createdAt.slice(0, 19).replace("T", " "),
    backup.complete ? "complete" : "INCOMPLETE",
    backup.proof,
    backup.keptBy.length === 0 ? "NOTHING: it would be let go" : backup.keptBy.map(describeReason).join("; "),
  ]);
  return [
    `${name ?? organizationId}${legalHold === null ? "" : ` is under LEGAL HOLD: ${legalHold}`}`,
    table(["nr", "made (UTC)", "state", "proof", "kept by"], rows),
    `${kept} kept, ${released} would be let go; ${bytes(unneededBytes)} would be needed by no backup`,
  ].join("\n");
}

const describeReason = ({ rule, policy, detail }: KeepReason): string =>
  `${rule}${policy === null ? "" : ` of ${policy}`} (${detail})`;

function drawOutcomes(outcomes: readonly PruneOutcome[], names: ReadonlyMap<string, string>): string {
  return table(
    ["organization", "kept", "let go", "packs removed", "freed", "in quarantine", "next removal (UTC)"],
    outcomes.map((each) => [
      names.get(each.organizationId) ?? each.organizationId,
      String(each.kept),
      each.legalHold ? "LEGAL HOLD" : String(each.released.length),
      String(each.removedPacks),
      bytes(each.removedBytes),
      String(each.quarantinedPacks),
      each.nextDueAt?.slice(0, 16).replace("T", " ") ?? "-",
    ]),
  );
}

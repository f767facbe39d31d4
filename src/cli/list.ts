// wedsync-backup list: what is backed up, from the bucket and the key; the control tables add what was proven,
// when they can be asked.
import { listJobs, type JobRow } from "../control/jobs.ts";
import { listRestoreProofs, type RestoreProof } from "../control/restore-proofs.ts";
import { BackupError, type ErrorCode } from "../domain/errors.ts";
import type { ManifestHeader } from "../repository/manifest-object.ts";
import { bytes, seconds, table } from "./output.ts";
import type { Session } from "./session.ts";

export async function runList(session: Session, options: { organization?: string }): Promise<number> {
  const repository = await session.repository();
  const ids = options.organization === undefined ? await repository.listOrganizations() : [options.organization];
  const kept = await askControlTables(session, options.organization);
  const jobs = kept?.jobs;
  const backups: ReturnType<typeof summarize>[] = [];
  const damaged: { organizationId: string; code: ErrorCode; message: string }[] = [];
  for (const organizationId of ids) {
    const vault = await repository.openVault(organizationId);
    const onDamaged = ({ code, message }: BackupError) => void damaged.push({ organizationId, code, message });
    for (const header of await vault.listManifests({ onDamaged }))
      backups.push(summarize(organizationId, header, jobs?.get(header.backupId)));
  }
  const unfinished = [...(jobs?.values() ?? [])].filter(
    (job) => job.status === "failed" || job.status === "cancelled" || job.status === "running",
  );
  const organizations = ids.map((id) => describeProtection(id, backups, kept?.proofs ?? []));
  session.output.result({ backups, damaged, organizations, jobsWithoutBackup: unfinished }, () => {
    const isOne = options.organization !== undefined;
    const rows = backups.map((each) => [
      isOne ? each.backupId : each.organizationId,
      String(each.sequence),
      each.createdAt.slice(0, 19).replace("T", " "),
      bytes(each.packBytes),
      `${each.complete ? "complete" : "INCOMPLETE"}${each.beforeRestore ? ", before a restore" : ""}`,
      each.proven ?? "?",
    ]);
    const lines = [
      backups.length === 0 && damaged.length === 0
        ? "There are no backups yet. Make one with: wedsync-backup backup --all"
        : table([isOne ? "backup" : "organization", "nr", "made (UTC)", "holds", "state", "proven"], rows),
    ];
    if (kept !== null && backups.length > 0) lines.push("", drawProtection(organizations));
    for (const { organizationId, code, message } of damaged)
      lines.push(`DAMAGED: a backup of ${organizationId}: ${code}: ${message}`);
    for (const job of unfinished)
      lines.push(
        `${job.status}: ${job.organizationId} at ${job.startedAt.slice(0, 19)} ${job.errorCode ?? ""} ${job.errorMessage ?? ""}`,
      );
    return lines.join("\n");
  });
  return damaged.length === 0 ? 0 : new BackupError("ObjectCorrupt", "").kind.exitCode;
}

function describeProtection(
  organizationId: string,
  backups: readonly { organizationId: string; sequence: number; createdAt: string }[],
  proofs: readonly RestoreProof[],
) {
  const last = backups.findLast((each) => each.organizationId === organizationId);
  const proof = proofs.find((each) => each.organizationId === organizationId);
  return {
    organizationId,
    lastBackup: last === undefined ? null : { sequence: last.sequence, createdAt: last.createdAt },
    lastProvenRestorable: proof ?? null,
  };
}

function drawProtection(organizations: readonly ReturnType<typeof describeProtection>[]): string {
  const rows = organizations.map(({ organizationId, lastBackup, lastProvenRestorable: proof }) => [
    organizationId,
    lastBackup === null ? "-" : String(lastBackup.sequence),
    proof === null ? "never (wedsync-backup verify --level restore)" : String(proof.sequence ?? "?"),
    proof === null ? "" : proof.provenAt.slice(0, 16).replace("T", " "),
    proof?.restoreSeconds ? seconds(proof.restoreSeconds * 1000) : "",
  ]);
  return table(["organization", "last backup", "last proven restorable", "proven (UTC)", "restored in"], rows);
}

function summarize(organizationId: string, header: ManifestHeader, job: JobRow | undefined) {
  const { sequence, backupId, createdAt, complete, packs, beforeRestore = false } = header;
  return {
    organizationId,
    sequence,
    backupId,
    createdAt,
    complete,
    beforeRestore,
    packs: packs.length,
    packBytes: packs.reduce((sum, pack) => sum + pack.sizeBytes, 0),
    rows: job?.rows ?? null,
    status: job?.status ?? null,
    proven: job?.proven ?? null,
  };
}

/** Null, and a line on stderr, when the control tables can't be asked: the bucket alone is enough to list. */
async function askControlTables(
  session: Session,
  organizationId: string | undefined,
): Promise<{ readonly jobs: ReadonlyMap<string, JobRow>; readonly proofs: readonly RestoreProof[] } | null> {
  const { output } = session;
  const control = await session.knownControl();
  if (control === null) {
    output.say("the control tables are not running; what was proven is not known here");
    return null;
  }
  try {
    const jobs = await listJobs(control, {
      ...(organizationId === undefined ? {} : { organizationId }),
      limit: 10_000,
    });
    const proofs = await listRestoreProofs(control, organizationId ?? null);
    return { jobs: new Map(jobs.map((job) => [job.id, job])), proofs };
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    output.say(`the control tables can't be asked (${error.code}); what was proven is not known here`);
    return null;
  }
}

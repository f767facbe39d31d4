// wedsync-backup list and show: what is backed up, from the bucket and the key; the control tables add what was proven,
// when they can be asked.
import { listJobs, type JobRow } from "../control/jobs.ts";
import { openControlDatabase } from "../control/control-database.ts";
import { listRestoreProofs, type RestoreProof } from "../control/restore-proofs.ts";
import { BackupError, type ErrorCode } from "../domain/errors.ts";
import { findRunningServers } from "../local/data-folder.ts";
import { isDamage } from "../repository/damage.ts";
import { findLatest, findNamed } from "../repository/latest-backup.ts";
import type { Manifest } from "../repository/manifest.ts";
import type { ManifestHeader, OrganizationVault } from "../repository/vault.ts";
import { bytes, number, seconds, table } from "./output.ts";
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

export async function runShow(session: Session, backup: string, options: { organization?: string }): Promise<number> {
  const { manifest, hash, sizeBytes } = await findBackup(session, backup, options.organization);
  const { schema: _schema, tables, media, classifications, ...rest } = manifest;
  const summary = {
    ...rest,
    manifestHash: hash,
    manifestBytes: sizeBytes,
    tables: tables.map(({ segments, columns, ...entry }) => ({
      ...entry,
      columns: columns.length,
      segments: segments.length,
    })),
    notStored: classifications.filter((each) => each.dataSet === null),
    files: media.files.length,
    fileBytes: media.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    missingFiles: media.missing,
  };
  session.output.result(summary, () => {
    const rows = summary.tables.map((each) => [
      each.table,
      each.dataSet,
      number(each.rows),
      bytes(each.rawBytes),
      String(each.segments),
      each.checksum.slice(0, 12),
    ]);
    return [
      `backup ${manifest.sequence} of ${manifest.organizationId}: ${manifest.backupId}`,
      `moment ${manifest.snapshot.takenAt} (LSN ${manifest.snapshot.lsn ?? "unknown"}), ${manifest.complete ? "complete" : `INCOMPLETE: ${media.missing.length} files were missing`}`,
      table(["table", "data set", "rows", "size", "segments", "checksum"], rows),
      `${summary.files} files, ${bytes(summary.fileBytes)}; ${manifest.packs.length} packs, ${bytes(manifest.packs.reduce((sum, pack) => sum + pack.sizeBytes, 0))}`,
      ...(manifest.foreignRows ?? []).map(
        (each) =>
          `${number(each.rows)} rows of ${each.table} point at rows of ${each.parent} that are another organization's (${each.key})`,
      ),
      ...summary.notStored.map((each) => `not stored: ${each.table} (${each.role}: ${each.reason})`),
    ].join("\n");
  });
  return 0;
}

export interface FoundBackup {
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
  readonly hash: string;
  readonly sizeBytes: number;
}

/** `backup`: an id, a sequence number, or "latest" (which is never one made right before a restore). @throws BackupNotFound */
export async function findBackup(
  session: Session,
  backup: string,
  organization: string | undefined,
): Promise<FoundBackup> {
  const repository = await session.repository();
  const ids = organization === undefined ? await repository.listOrganizations() : [organization];
  if (organization === undefined && ids.length > 1 && !backup.includes("-")) {
    throw new BackupError(
      "UsageInvalid",
      `Say which organization: --organization ID. There are ${ids.length} in this repository.`,
    );
  }
  let firstDamage: BackupError | undefined;
  for (const organizationId of ids) {
    const vault = await repository.openVault(organizationId);
    try {
      const header =
        backup === "latest"
          ? await findLatest(vault)
          : await findNamed(
              vault,
              (each) => each.backupId === backup || String(each.sequence) === backup,
              ({ code, message }) => session.output.say(`a damaged backup: ${code}: ${message}`),
            );
      if (header !== null) return { vault, ...(await vault.readManifest(header.sequence)) };
    } catch (error) {
      // The one that was asked for may be another organization's, and whole.
      if (!isDamage(error)) throw error;
      firstDamage ??= error;
    }
  }
  if (firstDamage !== undefined) throw firstDamage;
  throw new BackupError(
    "BackupNotFound",
    `There is no backup ${backup}${organization === undefined ? "" : ` of organization ${organization}`}. See: wedsync-backup list`,
  );
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
  const { config, output } = session;
  const url = config.controlUrl ?? config.sourceUrl ?? (await findRunningServers(config.dataDir))?.databaseUrl ?? null;
  if (url === null) {
    output.say("the control tables are not running; what was proven is not known here");
    return null;
  }
  const control = openControlDatabase(url);
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
  } finally {
    await control.close();
  }
}

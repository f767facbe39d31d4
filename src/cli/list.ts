// wedsync-backup list and show: what is backed up, from the bucket and the key; the control tables add what was proven,
// when they can be asked.
import { listJobs, type JobRow } from "../control/jobs.ts";
import { openControlDatabase } from "../control/control-database.ts";
import { BackupError } from "../domain/errors.ts";
import { findRunningServers } from "../local/data-folder.ts";
import type { Manifest } from "../repository/manifest.ts";
import type { ManifestHeader, OrganizationVault } from "../repository/vault.ts";
import { bytes, number, table } from "./output.ts";
import type { Session } from "./session.ts";

export async function runList(session: Session, options: { organization?: string }): Promise<number> {
  const repository = await session.repository();
  const ids = options.organization === undefined ? await repository.listOrganizations() : [options.organization];
  const jobs = await jobsIfAsked(session, options.organization);
  const backups: ReturnType<typeof summarize>[] = [];
  for (const organizationId of ids) {
    const vault = await repository.openVault(organizationId);
    for (const header of await vault.listManifests())
      backups.push(summarize(organizationId, header, jobs?.get(header.backupId)));
  }
  const unfinished = [...(jobs?.values() ?? [])].filter(
    (job) => job.status === "failed" || job.status === "cancelled" || job.status === "running",
  );
  session.output.result({ backups, jobsWithoutBackup: unfinished }, () => {
    const isOne = options.organization !== undefined;
    const rows = backups.map((each) => [
      isOne ? each.backupId : each.organizationId,
      String(each.sequence),
      each.createdAt.slice(0, 19).replace("T", " "),
      bytes(each.packBytes),
      each.complete ? "complete" : "INCOMPLETE",
      each.proven ?? "?",
    ]);
    const lines = [
      backups.length === 0
        ? "There are no backups yet. Make one with: wedsync-backup backup --all"
        : table([isOne ? "backup" : "organization", "nr", "made (UTC)", "holds", "state", "proven"], rows),
    ];
    for (const job of unfinished)
      lines.push(
        `${job.status}: ${job.organizationId} at ${job.startedAt.slice(0, 19)} ${job.errorCode ?? ""} ${job.errorMessage ?? ""}`,
      );
    return lines.join("\n");
  });
  return 0;
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

/** `backup`: an id, a sequence number, or "latest". @throws BackupNotFound */
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
  for (const organizationId of ids) {
    const vault = await repository.openVault(organizationId);
    if (backup === "latest") {
      const latest = await vault.latestManifest();
      if (latest !== null) return { vault, ...latest };
      continue;
    }
    const header = (await vault.listManifests()).find(
      (each) => each.backupId === backup || String(each.sequence) === backup,
    );
    if (header !== undefined) return { vault, ...(await vault.readManifest(header.sequence)) };
  }
  throw new BackupError(
    "BackupNotFound",
    `There is no backup ${backup}${organization === undefined ? "" : ` of organization ${organization}`}. See: wedsync-backup list`,
  );
}

function summarize(organizationId: string, header: ManifestHeader, job: JobRow | undefined) {
  const { sequence, backupId, createdAt, complete, packs } = header;
  return {
    organizationId,
    sequence,
    backupId,
    createdAt,
    complete,
    packs: packs.length,
    packBytes: packs.reduce((sum, pack) => sum + pack.sizeBytes, 0),
    rows: job?.rows ?? null,
    status: job?.status ?? null,
    proven: job?.proven ?? null,
  };
}

/** Null, and a line on stderr, when the control tables can't be asked: the bucket alone is enough to list. */
async function jobsIfAsked(
  session: Session,
  organizationId: string | undefined,
): Promise<ReadonlyMap<string, JobRow> | null> {
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
    return new Map(jobs.map((job) => [job.id, job]));
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    output.say(`the control tables can't be asked (${error.code}); what was proven is not known here`);
    return null;
  } finally {
    await control.close();
  }
}

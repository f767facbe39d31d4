// wedsync-backup recover: an organization out of the bucket, with the key alone. No control tables, no Temporal.
import { recoverToDatabase } from "../recover/recover-to-database.ts";
import { BackupError } from "../domain/errors.ts";
import { isDamage } from "../repository/damage.ts";
import { describeLoss } from "../recover/describe-loss.ts";
import { recoverToFolder } from "../recover/recover-to-folder.ts";
import { findBackup } from "./find-backup.ts";
import { adviseOnDatabase, adviseOnFolder } from "./recover-both.ts";
import { bytes, number, rate, seconds, usage } from "./output.ts";
import type { Session } from "./session.ts";

/** Done, but incomplete; what is missing is listed. */
const incompleteExitCode = 4;

interface RecoverOptions {
  readonly organization?: string;
  readonly to?: string;
  readonly toDatabase?: string;
  readonly salvage?: boolean;
}

export async function runRecover(session: Session, backup: string, options: RecoverOptions): Promise<number> {
  const { organization, to, salvage = false } = options;
  const toDatabase = options.toDatabase ?? session.config.recoverDatabaseUrl ?? undefined;
  if (to === undefined && toDatabase === undefined)
    throw usage("Say where to: --to FOLDER, or --to-database URL (or RECOVER_DATABASE_URL in the environment).");
  if (salvage && (to === undefined || options.toDatabase !== undefined))
    throw usage("--salvage recovers into a folder (--to) alone; its load.sql then loads what there is.");
  const startedMs = performance.now();
  const { vault, manifest } = await findBackup(session, backup, organization);
  const onProgress = (progress: { table: string; rows: number; bytes: number }): void =>
    session.output.progress(`${progress.table}: ${number(progress.rows)} rows, ${bytes(progress.bytes)}`);
  const onCleanedUp = (backupId: string): void =>
    session.output.say(
      `cleaned up after an unfinished recovery of backup ${backupId}, which left something in the database`,
    );
  const namedBy = options.toDatabase === undefined ? "environment" : "option";
  const intoDatabase = toDatabase === undefined || salvage ? null : ({ url: toDatabase, namedBy } as const);
  const folder =
    to === undefined
      ? null
      : await advise(recoverToFolder({ vault, manifest, targetDir: to, salvage, onProgress })).catch(
          async (error: unknown) => {
            throw await adviseOnFolder(error, to, manifest, intoDatabase?.namedBy ?? null);
          },
        );
  const database =
    intoDatabase === null
      ? null
      : await advise(
          recoverToDatabase({ vault, manifest, databaseUrl: intoDatabase.url, onProgress, onCleanedUp }),
        ).catch((error: unknown) => {
          throw folder === null ? error : adviseOnDatabase(error, folder.folder, manifest, namedBy);
        });
  const recovered = {
    organizationId: manifest.organizationId,
    backupId: manifest.backupId,
    sequence: manifest.sequence,
    takenAt: manifest.snapshot.takenAt,
    complete: manifest.complete,
    folder,
    database,
    durationMs: Math.round(performance.now() - startedMs),
  };
  session.output.result(recovered, () => {
    const lines = [
      `recovered backup ${manifest.sequence} of ${manifest.organizationId} as of ${manifest.snapshot.takenAt} in ${seconds(recovered.durationMs)}`,
    ];
    if (folder !== null)
      lines.push(
        `  ${folder.folder}: ${folder.tables} tables, ${number(folder.rows)} rows, ${folder.files} files, ${bytes(folder.bytes)}`,
      );
    if (database !== null) {
      const amount = `${database.tables} tables, ${number(database.rows)} rows, ${bytes(database.bytes)}`;
      lines.push(
        database.wasThere
          ? `  database: ${amount}, all there from an earlier run; row checksums equal, nothing was written`
          : `  database: ${amount} (${rate(database.bytes, recovered.durationMs)}); row checksums equal, foreign keys valid`,
      );
      if (manifest.media.files.length > 0) lines.push("  files are recovered with --to FOLDER");
    }
    for (const loss of folder?.lost ?? []) lines.push(`  ${describeLoss(loss)}`);
    for (const note of (folder ?? database)?.leftOut ?? []) lines.push(`  left out: ${note}`);
    if (!manifest.complete)
      lines.push(`  INCOMPLETE: ${manifest.media.missing.length} files were missing when the backup was made`);
    return lines.join("\n");
  });
  return (folder?.lost.length ?? 0) > 0 ? incompleteExitCode : 0;
}

/** One broken object must not be the end of a person's hope. */
async function advise<T>(recovering: Promise<T>): Promise<T> {
  try {
    return await recovering;
  } catch (error) {
    if (!isDamage(error)) throw error;
    throw new BackupError(
      error.code,
      `${error.message} What is whole comes back with --to FOLDER --salvage, which names what is lost and which other backup has it.`,
      error.details,
      { cause: error },
    );
  }
}

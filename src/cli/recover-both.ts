// One command into a folder and a database: each of the two is there whole or not at all, but not both or none. Where only
// one came about, the error says which, and the command for the other.
import { BackupError } from "../domain/errors.ts";
import { readRecoveredFolder } from "../recover/recovered-folder.ts";
import type { Manifest } from "../repository/manifest.ts";

/** The database as the command named it: by an option, which is not repeated here, or by RECOVER_DATABASE_URL. */
export type NamedBy = "option" | "environment";

const databaseAlone = ({ backupId, organizationId }: Manifest, namedBy: NamedBy): string =>
  `wedsync-backup recover ${backupId} --organization ${organizationId}${namedBy === "option" ? " --to-database URL" : ""}`;

/** For a folder that was refused. @returns the error to throw: what the folder holds, where it is this backup. */
export async function adviseOnFolder(
  error: unknown,
  folder: string,
  manifest: Manifest,
  database: NamedBy | null,
): Promise<unknown> {
  if (!(error instanceof BackupError && error.code === "RecoverTargetNotEmpty")) return error;
  const found = await readRecoveredFolder(folder);
  if (found?.backupId !== manifest.backupId) return error;
  const what = found.isWhole ? "holds this backup already, complete" : "holds what --salvage brought of this backup";
  const rest = database === null ? "" : ` For the database alone: ${databaseAlone(manifest, database)}`;
  return adding(error, `It ${what}.${rest}`);
}

/** For a database that was not filled, after the folder was. */
export const adviseOnDatabase = (error: unknown, folder: string, manifest: Manifest, database: NamedBy): unknown =>
  error instanceof BackupError
    ? adding(error, `The folder ${folder} is complete. For the database alone: ${databaseAlone(manifest, database)}`)
    : error;

const adding = (error: BackupError, text: string): BackupError =>
  new BackupError(error.code, `${error.message} ${text}`, error.details, { cause: error });

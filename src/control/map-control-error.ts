import { BackupError } from "../domain/errors.ts";

const unreachable = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "EPIPE",
  "3D000",
  "28P01",
  "28000",
]);

/** Errors of the control database under our names; never with the server's words, which can quote values. */
export function mapControlError(error: unknown): BackupError {
  if (error instanceof BackupError) return error;
  const { code = "", message = "" } = error as { code?: string; message?: string };
  if (
    unreachable.has(code) ||
    code.startsWith("08") ||
    code.startsWith("57P") ||
    code.startsWith("53") ||
    /terminated|timeout/i.test(message)
  ) {
    return new BackupError(
      "ControlDatabaseUnreachable",
      "The database of the control tables does not answer. Check BACKUP_DATABASE_URL.",
      {},
      { cause: error },
    );
  }
  // Raised by backup.refuse_erased() (migrations/0030_erasures.sql).
  if (code === "WE410")
    return new BackupError(
      "OrganizationErased",
      "The organization's backups were erased; nothing can be begun for it again.",
      {},
      { cause: error },
    );
  if (code === "42P01" || code === "3F000") {
    return new BackupError(
      "MigrationFailed",
      "The control tables are not there. Make them with: wedsync-backup migrate",
      {},
      { cause: error },
    );
  }
  return new BackupError(
    "Internal",
    `The control database refused a statement (SQLSTATE ${code === "" ? "unknown" : code}).`,
    {},
    { cause: error },
  );
}

// Postgres' errors under the restore's names. As for the source: the server's words are passed on only where they can
// name nothing but objects and rights.
import { BackupError, type ErrorCode } from "../../../domain/errors.ts";

interface PostgresFailure extends Error {
  readonly code?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
}

const networkCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EHOSTUNREACH",
  "ETIMEDOUT",
  "EPIPE",
  "EAI_AGAIN",
]);

export function mapRestoreError(error: unknown, doing: string): BackupError {
  // The connection was opened by the source's adapter, which speaks of the source.
  if (error instanceof BackupError && !(error.cause instanceof Error && isSourceCode(error.code))) return error;
  const failure = (error instanceof BackupError ? error.cause : error) as PostgresFailure;
  const state = failure.code ?? "";
  const table = failure.table === undefined ? "" : `${failure.schema ?? ""}.${failure.table}`;
  const named = (code: ErrorCode, message: string): BackupError =>
    new BackupError(code, message, { sqlState: state, table, constraint: failure.constraint ?? "" }, { cause: error });

  if (state === "42501") {
    return /row-level security/.test(failure.message)
      ? named(
          "RestoreTargetRefused",
          `While ${doing}: ${failure.message}. Give the restoring role BYPASSRLS, or let the tables' owner restore.`,
        )
      : named(
          "RestoreTargetRefused",
          `While ${doing}: ${failure.message}. Grant the restoring role this right, or let the tables' owner restore.`,
        );
  }
  if (state === "25006")
    return named(
      "RestoreTargetRefused",
      `While ${doing}: the database is read-only (a standby?); restore into its primary.`,
    );
  if (["28P01", "28000", "3D000"].includes(state))
    return named(
      "RestoreTargetRefused",
      `While ${doing}: the database refused the login or does not exist. Check the URL.`,
    );
  if (["40001", "40P01", "55P03"].includes(state))
    return named(
      "RestoreTargetBusy",
      `While ${doing}: others change or lock the same rows; nothing was written. Try again.`,
    );
  if (state === "23505" || state === "23P01")
    return named(
      "RestoreConflict",
      `While ${doing}: a row of ${table} can't come back, for ${failure.constraint ?? "a unique index"} has its value already. Nothing was written.`,
    );
  if (state === "23503")
    return named(
      "RestoreInvalid",
      `While ${doing}: rows of ${table} would break the foreign key ${failure.constraint ?? ""}; restore the tables that it connects together. Nothing was written.`,
    );
  if (state === "23514" || state === "23502") {
    const rule =
      failure.constraint ?? (failure.column === undefined ? "its partitions" : `NOT NULL of ${failure.column}`);
    return named(
      "RestoreInvalid",
      `While ${doing}: ${table} refuses rows of the backup by ${rule}. Nothing was written.`,
    );
  }
  if (
    networkCodes.has(state) ||
    /^(08|57P|57014|53)/.test(state) ||
    /terminated|connection.*(closed|ended)|timeout/i.test(failure.message ?? "")
  )
    return named(
      "RestoreTargetUnreachable",
      `While ${doing}: the database does not answer, closed the connection or has no room.`,
    );
  if (/^(0A|2B|3F|42|55)/.test(state))
    return named("RestoreTargetRefused", `While ${doing}: ${failure.message} (SQLSTATE ${state}).`);
  return named(
    "RestoreTargetRefused",
    `While ${doing}: the database refused a statement (SQLSTATE ${state === "" ? "unknown" : state}).`,
  );
}

/** A disk that is full, or the memory that processes of one statement share: in a container that is often 64 MB. */
export const lacksRoom = (error: unknown): boolean =>
  error instanceof BackupError && ["53100", "53200"].includes(String(error.details["sqlState"]));

const isSourceCode = (code: ErrorCode): boolean =>
  [
    "SourceUnreachable",
    "SourceAccessDenied",
    "SourceRejected",
    "RowSecurityActive",
    "SnapshotBlocked",
    "SchemaChanging",
  ].includes(code);

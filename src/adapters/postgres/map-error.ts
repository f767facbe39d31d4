// Postgres' errors under our names. The server's message is passed on only where it can't quote data: its words on
// permissions and objects; never `detail`, and never a message about a value.
import { BackupError, type ErrorCode } from "../../domain/errors.ts";

export interface PostgresFailure extends Error {
  readonly code?: string;
}

/** What Node says of a connection that was refused, cut or never found its server. */
export const connectionCodes: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EHOSTUNREACH",
  "ETIMEDOUT",
  "EPIPE",
  "EAI_AGAIN",
]);
const loginStates = new Set(["28P01", "28000", "3D000"]);
/** The holder of an imported snapshot is gone, or its identifier never was one of this server. */
const snapshotStates = new Set(["42704", "22023", "55000"]);

export function mapPostgresError(error: unknown, doing: string, importing = false): BackupError {
  if (error instanceof BackupError) return error;
  const failure = error as PostgresFailure;
  const state = failure.code ?? "";
  const named = (code: ErrorCode, message: string): BackupError =>
    new BackupError(code, message, { sqlState: state }, { cause: error });
  if (importing && snapshotStates.has(state))
    return named("SnapshotLost", "The snapshot's holder is gone; a new snapshot is needed.");
  if (state === "42501") {
    return /row-level security/.test(failure.message)
      ? named(
          "RowSecurityActive",
          `While ${doing}: ${failure.message}. Give the backup role BYPASSRLS, or let the tables' owner make backups.`,
        )
      : named(
          "SourceAccessDenied",
          `While ${doing}: ${failure.message}. Grant the backup role USAGE on the schema and SELECT on the table.`,
        );
  }
  if (loginStates.has(state))
    return named(
      "SourceAccessDenied",
      `While ${doing}: the database refused the login or has no such database. Check BACKUP_SOURCE_DATABASE_URL.`,
    );
  if (state === "55P03")
    return named("SnapshotBlocked", `While ${doing}: another session holds a lock on a table that must be read.`);
  if (state === "40P01" || state === "40001")
    return named("SnapshotBlocked", `While ${doing}: the database chose this session to end a conflict.`);
  if (
    connectionCodes.has(state) ||
    state.startsWith("08") ||
    state.startsWith("57P") ||
    /Connection terminated|connection.*(closed|ended)|timeout exceeded|not queryable/i.test(failure.message)
  ) {
    return named(
      "SourceUnreachable",
      `While ${doing}: the database does not answer or closed the connection. See that it runs and can be reached from here; its address is in BACKUP_SOURCE_DATABASE_URL.`,
    );
  }
  if (state.startsWith("53"))
    return named(
      "SourceUnreachable",
      `While ${doing}: the database has no room for another connection or is out of resources.`,
    );
  if (state === "57014") return named("SourceUnreachable", `While ${doing}: the database cancelled the statement.`);
  if (state === "22P02" || state === "22003" || state === "22021")
    return named(
      "OrganizationInvalid",
      "The organization id is not of the type of this database's organization key. Give the key of its row in the root table, as the database writes it.",
    );
  if (state === "42P01" || state === "42703")
    return named("SchemaChanging", `While ${doing}: a table or column went away.`);
  return named(
    "SourceRejected",
    `While ${doing}: the database refused a statement (SQLSTATE ${state === "" ? "unknown" : state}).`,
  );
}

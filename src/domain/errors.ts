// Every failure that this product reports has a name in this one table. Adapters translate their vendor's errors into a
// BackupError; the activity edge turns it into Temporal's ApplicationFailure (type = code); the CLI and the facade each
// map it once. Workflows match on the code as a string, because classes do not survive serialization.
//
// A message says what is wrong and what to do. It never carries row values, file contents, keys or connection strings.

interface ErrorKind {
  /** Whether the same call can succeed later with nothing changed by a person. */
  readonly retryable: boolean;
  readonly httpStatus: number;
  /** 1 failed, 2 usage or configuration, 3 verification mismatch, 4 incomplete, 75 try again later, 130 cancelled. */
  readonly exitCode: number;
  readonly meaning: string;
}

const kind = (retryable: boolean, httpStatus: number, exitCode: number, meaning: string): ErrorKind => ({
  retryable,
  httpStatus,
  exitCode,
  meaning,
});

export const errorTable = {
  ConfigurationInvalid: kind(
    false,
    500,
    2,
    "A variable is missing or has a wrong form; every problem is listed by name.",
  ),
  UsageInvalid: kind(false, 400, 2, "The command or request is not well formed."),
  ValueInvalid: kind(false, 422, 2, "The request is well formed, but a value in it can't be used."),

  EncryptionKeyInvalid: kind(false, 500, 2, "BACKUP_ENCRYPTION_KEY is missing, too short or not of a known form."),
  EncryptionKeyWrong: kind(false, 403, 1, "The key is well formed, but it is not the key of this repository."),

  StorageUnreachable: kind(true, 503, 75, "The object store does not answer, or answered with a passing error."),
  StorageAccessDenied: kind(false, 502, 1, "The object store refused the credentials or the permission."),
  StorageReadOnly: kind(false, 502, 1, "The object store can be read, but not written."),
  StorageFull: kind(true, 507, 75, "The object store has no room left."),
  StorageRejected: kind(false, 502, 1, "The object store does not take a request that should be valid."),
  StorageBucketMissing: kind(false, 502, 1, "The bucket or folder does not exist."),
  ObjectExists: kind(false, 409, 1, "A create-only write found an object of that name."),
  ObjectMissing: kind(false, 404, 3, "An object that should be there is not."),
  ObjectCorrupt: kind(false, 500, 3, "An object's bytes are not the ones that were stored."),
  ObjectForeign: kind(
    false,
    500,
    3,
    "A sealed object is intact, but belongs to another place, organization or repository.",
  ),
  ChecksumMismatch: kind(true, 502, 75, "Bytes changed on the way to or from the object store."),
  FormatUnsupported: kind(false, 500, 1, "The repository or object needs a newer version of this product."),
  BackupTooLarge: kind(
    false,
    500,
    1,
    "A row, file, pack or manifest is beyond a limit of the stored format; nothing was written.",
  ),
  KeyRotationUnfinished: kind(
    true,
    503,
    75,
    "The root key is being rotated, or a rotation did not end; reading works, backups wait until it is done.",
  ),
  RepositoryMissing: kind(false, 404, 1, "The bucket holds no repository."),
  RepositoryRolledBack: kind(false, 500, 3, "Manifests that were written are gone, or their chain is broken."),
  SequenceTaken: kind(true, 409, 75, "Another backup of the organization took this manifest sequence first."),

  SourceUnreachable: kind(true, 503, 75, "The source database does not answer, or closed the connection."),
  SourceAccessDenied: kind(
    false,
    502,
    1,
    "The database role may not log in, or may not read a table that must be backed up.",
  ),
  SourceRejected: kind(false, 502, 1, "The source database refused a statement that should be valid."),
  RowSecurityActive: kind(false, 502, 1, "Row-level security would hide rows from the backup role."),
  SnapshotLost: kind(
    false,
    500,
    75,
    "The transaction that held the snapshot ended; the run starts again from a new one.",
  ),
  SnapshotBlocked: kind(
    true,
    503,
    75,
    "A lock on a table could not be had in time, or others waited behind the backup.",
  ),
  SchemaChanging: kind(true, 503, 75, "The schema changed while it was being read."),

  CatalogueInvalid: kind(false, 500, 2, "The catalogue file is not well formed, or contradicts the schema."),
  CatalogueTableMissing: kind(false, 500, 2, "The catalogue names a table or column that the database does not have."),
  TableUnclassified: kind(
    false,
    500,
    1,
    "A table could belong to an organization, and the catalogue does not say how.",
  ),
  TypeUnsupported: kind(false, 500, 1, "A column's type can't be carried in a backup."),

  OrganizationNotFound: kind(false, 404, 1, "There is no such organization."),
  OrganizationInvalid: kind(false, 400, 2, "The organization id is not of the form that this database uses."),
  OrganizationBusy: kind(false, 409, 75, "Another operation on this organization is under way."),
  LegalHoldActive: kind(
    false,
    409,
    1,
    "A legal hold keeps all of the organization's backups; nothing of them is removed until it is lifted.",
  ),
  OrganizationErased: kind(
    false,
    410,
    1,
    "The organization's backups were erased, for good; nothing brings them back.",
  ),
  ErasureUnconfirmed: kind(false, 422, 2, "What was typed to confirm an erasure is not the organization's id or name."),
  ErasureNotFound: kind(false, 404, 1, "No erasure of this organization was ordered."),
  ObjectLocked: kind(false, 409, 1, "The store's object lock or legal hold keeps what should be removed; it is named."),
  BackupNotFound: kind(false, 404, 1, "There is no such backup."),
  BackupIncomplete: kind(false, 500, 4, "The backup exists, but misses something; what it misses is listed."),
  BackupUnproven: kind(false, 500, 3, "The backup could not be proven."),
  PolicyNotFound: kind(false, 404, 1, "There is no such policy."),
  PrerequisiteFailed: kind(false, 409, 1, "A policy that this one waits for failed, or did not run in time."),
  PolicyInvalid: kind(false, 422, 2, "The policy names a time, a zone or an order that can't be."),
  VerificationNotFound: kind(false, 404, 1, "There is no such verification, or it is long over."),
  JobNotFound: kind(false, 404, 1, "There is no such job."),

  MediaUnreachable: kind(true, 503, 75, "The media source does not answer."),
  MediaAccessDenied: kind(false, 502, 1, "The media source refused to be read."),

  BenchLost: kind(
    false,
    500,
    75,
    "The batch is not on this worker any more; the run starts again from a new snapshot.",
  ),
  RecoverTargetNotEmpty: kind(false, 409, 2, "The folder or database to recover into already holds something."),
  RecoverTargetBusy: kind(true, 409, 75, "Another recovery into the database is under way."),
  RecoverTargetUnreachable: kind(
    true,
    503,
    75,
    "The database that is recovered into does not answer, or closed the connection.",
  ),
  RecoverTargetRefused: kind(
    false,
    502,
    1,
    "The folder or database to recover into refused the login, a statement or a file.",
  ),
  RecoverMismatch: kind(false, 500, 3, "What was recovered does not have the checksums that the manifest states."),

  SchemaDrifted: kind(
    false,
    409,
    1,
    "The live schema differs from the backup's in a way that would lose or invent data; each difference is named.",
  ),
  RestoreTargetUnreachable: kind(true, 503, 75, "The database that is restored into does not answer."),
  RestoreTargetRefused: kind(false, 502, 1, "The database role may not do what a restore needs; the right is named."),
  RestoreTargetBusy: kind(true, 503, 75, "Rows were changed while they were being restored; the restore tries again."),
  RestoreConflict: kind(
    false,
    409,
    1,
    "A row can't come back: its key or a unique value is held by a row that the restore may not touch.",
  ),
  CloneRefused: kind(
    false,
    409,
    1,
    "The organization can't be restored as another one: that one is there already, or the copy would share or lose what its keys and values mean; each place is named.",
  ),
  RestoreInvalid: kind(false, 500, 3, "The restored rows did not pass validation; nothing was committed."),
  RestoreNotFound: kind(false, 404, 1, "There is no such restore."),
  DecisionInvalid: kind(
    false,
    422,
    2,
    "A decision names a row that is no conflict of this restore, or comes too late.",
  ),
  RestoreNotWaiting: kind(false, 409, 1, "The restore does not wait for people now, so there is nothing to look at."),
  RollbackRefused: kind(false, 409, 1, "Rows were changed after the restore; rolling back would lose those changes."),

  NotificationChannelNotFound: kind(false, 404, 1, "There is no such notification channel."),
  NotificationChannelExists: kind(false, 409, 1, "The organization has a notification channel of that name already."),
  NotificationChannelInvalid: kind(false, 422, 2, "The notification channel is not well formed."),
  NotificationTargetRefused: kind(false, 422, 1, "The webhook leads to an address that notifications may not go to."),
  NotificationRefused: kind(false, 502, 1, "The receiver does not want the notification, and never will."),
  NotificationUndelivered: kind(true, 502, 75, "The receiver could not be reached, or did not take the notification."),

  Unauthenticated: kind(false, 401, 1, "No token, or one that is expired, forged or meant for somebody else."),
  Forbidden: kind(false, 403, 1, "The role may not do this."),
  RouteNotFound: kind(false, 404, 1, "There is nothing at this address."),
  MethodNotAllowed: kind(false, 405, 1, "The address does not know this method; Allow names those that it knows."),
  PolicyExists: kind(false, 409, 1, "The organization has a policy of that name already."),
  PolicyChanged: kind(false, 412, 1, "The policy was changed since it was read; read it again."),
  JobFinished: kind(false, 409, 1, "The job is over already."),
  RequestTooLarge: kind(false, 413, 1, "The request's body is larger or deeper than any that is needed."),
  MediaTypeUnsupported: kind(false, 415, 1, "The request's body must be JSON, and say so."),
  IdempotencyKeyInUse: kind(true, 409, 75, "A request with this Idempotency-Key is still being worked on."),
  IdempotencyKeyReused: kind(false, 422, 1, "The Idempotency-Key was used for another request."),
  RateLimited: kind(true, 429, 75, "The hour's allowance is used up; Retry-After says when there is more."),
  RateLimiterUnavailable: kind(true, 503, 75, "The rate limiter can't decide, so nothing is started."),
  AuditUnavailable: kind(true, 503, 75, "The audit log can't be written, so nothing is done."),
  IdentityProviderUnreachable: kind(true, 503, 75, "The keys that prove tokens can't be fetched."),

  TemporalUnreachable: kind(true, 503, 75, "The Temporal server does not answer."),
  TemporalUnavailable: kind(false, 503, 1, "No Temporal server could be started on this machine."),
  ControlDatabaseUnreachable: kind(true, 503, 75, "The database of the control tables does not answer."),
  MigrationFailed: kind(false, 500, 1, "A migration of the control tables could not be applied."),
  DataFolderBusy: kind(false, 409, 75, "Another process holds the data folder."),
  ServerUnavailable: kind(false, 503, 1, "A server that this machine should run could not be started."),
  Cancelled: kind(false, 409, 130, "The operation was cancelled."),
  Internal: kind(false, 500, 1, "A fault of this product; the details are in its log."),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorTable;

/** Values that help to act on an error: names, counts and ids; never row data or secrets. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | readonly string[] | null>>;

export class BackupError extends Error {
  override readonly name = "BackupError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.details = details;
  }

  get kind(): ErrorKind {
    return errorTable[this.code];
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(errorTable, value);
}

export const nonRetryableCodes: readonly ErrorCode[] = (Object.keys(errorTable) as ErrorCode[]).filter(
  (code) => !errorTable[code].retryable,
);

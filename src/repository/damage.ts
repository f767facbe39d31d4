import { BackupError, type ErrorCode } from "../domain/errors.ts";

/** What a verification found wrong. */
export interface Problem {
  readonly key: string;
  readonly code: ErrorCode;
  readonly message: string;
}

const damageCodes: readonly ErrorCode[] = [
  "ObjectMissing",
  "ObjectCorrupt",
  "ObjectForeign",
  "ChecksumMismatch",
  "FormatUnsupported",
  "RecoverMismatch",
];

/** Whether an error says something about what is stored, and not about the way there: it must not hide what is whole. */
export const isDamage = (error: unknown): error is BackupError =>
  error instanceof BackupError && damageCodes.includes(error.code);

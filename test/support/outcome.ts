import { BackupError, type ErrorCode } from "../../src/domain/errors.ts";

/** "done", or the name of the error. Anything that has no name is thrown on, and fails the test. */
export async function outcomeOf(run: () => unknown): Promise<ErrorCode | "done"> {
  try {
    await run();
    return "done";
  } catch (error) {
    if (error instanceof BackupError) return error.code;
    throw error;
  }
}

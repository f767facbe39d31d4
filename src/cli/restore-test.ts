// Proves one backup by a restore test, as `verify --level restore` does, and says it in a line.
import { followVerification, requestVerification } from "../client/start-verification.ts";
import type { BackupOutcome } from "../domain/backup-request.ts";
import { BackupError } from "../domain/errors.ts";
import { cliActor } from "./actor.ts";
import type { Session } from "./session.ts";

export interface RestoreTest {
  readonly organizationId: string;
  readonly rows: number;
  readonly durationMs: number;
  readonly error: string | null;
}

export async function restoreTest(session: Session, { organizationId, sequence }: BackupOutcome): Promise<RestoreTest> {
  const client = await session.client();
  try {
    const order = await requestVerification(client, {
      organizationId,
      choice: { by: "sequence", sequence },
      level: "restore",
      requestedBy: cliActor(),
    });
    const { rows, restoreSeconds, durationMs, problems } = await followVerification(client, order);
    const [first] = problems;
    return {
      organizationId,
      rows,
      durationMs: restoreSeconds === null ? durationMs : Math.round(restoreSeconds * 1000),
      error: first === undefined ? null : `not restored: ${first.code}`,
    };
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    return { organizationId, rows: 0, durationMs: 0, error: `not restored: ${error.code}` };
  }
}

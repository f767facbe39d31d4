// wedsync-backup verify --level consistency|restore: proofs that run in a worker, one organization after the other, and
// are kept beside the backup.
import { followVerification, requestVerification } from "../client/start-verification.ts";
import type { VerificationLevel, VerifyOutcome } from "../domain/verify-run.ts";
import { cliActor } from "./actor.ts";
import { bringWorker } from "./open-worker.ts";
import { nameOrganizations } from "./organization-names.ts";
import { bytes, number, seconds, table } from "./output.ts";
import { readChoice } from "./restore-order.ts";
import type { Session } from "./session.ts";

export async function verifyByWorkflow(
  session: Session,
  backup: string | undefined,
  { organization, level }: { organization?: string; level: VerificationLevel },
): Promise<VerifyOutcome[]> {
  const client = await session.client();
  await bringWorker(session);
  const ids = organization === undefined ? await (await session.repository()).listOrganizations() : [organization];
  const outcomes: VerifyOutcome[] = [];
  for (const organizationId of ids) {
    session.output.progress(`${level} of ${organizationId} (${outcomes.length + 1} of ${ids.length})`);
    const choice = readChoice(backup, undefined);
    const order = await requestVerification(client, { organizationId, choice, level, requestedBy: cliActor() });
    outcomes.push(await followVerification(client, order));
  }
  return outcomes;
}

export async function describeVerifications(session: Session, outcomes: readonly VerifyOutcome[]): Promise<string> {
  const names = await nameOrganizations(session);
  const rows = outcomes.map((each) => [
    names.get(each.organizationId) ?? each.organizationId,
    String(each.sequence),
    number(each.rows),
    bytes(each.bytes),
    seconds(each.durationMs),
    each.problemCount > 0
      ? `${each.problemCount} PROBLEMS`
      : each.restoreSeconds === null
        ? "consistent"
        : `restored in ${seconds(each.restoreSeconds * 1000)}`,
  ]);
  const lines = [table(["organization", "backup", "rows", "data", "time", "result"], rows)];
  for (const each of outcomes) {
    const name = names.get(each.organizationId) ?? each.organizationId;
    for (const { code, key, message } of each.problems) lines.push(`${name}: ${code} ${key}: ${message}`);
    for (const { title, offending } of each.rules)
      if (offending > 0) lines.push(`${name}: rule broken by ${number(offending)} rows: ${title}`);
  }
  return lines.join("\n");
}

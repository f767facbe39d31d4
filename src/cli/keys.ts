// wedsync-backup keys: make, rotate, and hand out the key that verifies but can't read.
import { randomBytes } from "node:crypto";
import { appendOwnAudit } from "../control/audit.ts";
import type { ControlDatabase } from "../control/control-database.ts";
import { cliActor } from "./actor.ts";
import { usage } from "./output.ts";
import { resealTargets } from "./sealed-targets.ts";
import type { Session } from "./session.ts";

export function runGenerateKey(session: Session): number {
  const key = randomBytes(32).toString("base64");
  session.output.result({ key }, () => key);
  session.output.say("Keep a copy in a safe place: without it no backup can be read. Set it as BACKUP_ENCRYPTION_KEY.");
  return 0;
}

export async function runVerificationKey(session: Session, options: { organization: string }): Promise<number> {
  const key = (await (await session.repository()).openVault(options.organization)).exportVerificationKey();
  session.output.result({ organizationId: options.organization, verificationKey: key }, () => key);
  return 0;
}

export async function runRotateKey(session: Session): Promise<number> {
  const newKey = session.config.newEncryptionKey;
  if (newKey === null)
    throw usage("Set BACKUP_NEW_ENCRYPTION_KEY to the new key; BACKUP_ENCRYPTION_KEY stays the present one.");
  const repository = await session.repository(); // the present key is the right one, before anything is sealed anew
  // A bucket's keys can be rotated without its control tables; channels and waiting restores must be told their targets
  // again then.
  const { controlUrl, sourceUrl } = session.config;
  const hasControlTables = controlUrl !== null || sourceUrl !== null;
  // Before the keys: once they are rotated, this command can't be repeated with the old key.
  const sealed = hasControlTables ? await resealTargets(session, newKey) : null;
  const { organizations } = await repository.rotateRootKey(newKey);
  if (hasControlTables) await auditRotation(await session.control(), organizations);
  session.output.result(
    { organizations: organizations.length, channels: sealed?.channels ?? null, restores: sealed?.restores ?? null },
    () =>
      [
        `${organizations.length} organization keys are wrapped by the new key; no backup was rewritten. Set BACKUP_ENCRYPTION_KEY to the new key now.`,
        sealed === null
          ? "Notification channels and targets of restores were not looked for (no BACKUP_DATABASE_URL): add them, and ask for them, again where there are some."
          : `${sealed.channels} notification channels and the targets of ${sealed.restores} restores are sealed by the new key. Start workers and facades again with it.`,
      ].join("\n"),
  );
  return 0;
}

/** In each organization's own log, for its report; by now nothing can be refused any more. */
async function auditRotation(control: ControlDatabase, organizations: readonly string[]): Promise<void> {
  const entry = { actor: cliActor(), action: "organization.key.rotate", outcome: "done", details: {} } as const;
  for (const organizationId of organizations)
    await appendOwnAudit(control, { ...entry, organizationId, subject: organizationId });
}

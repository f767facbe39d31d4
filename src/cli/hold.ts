// wedsync-backup hold: the legal hold of an organization. While it stands, nothing of its backups is removed.
import { liftLegalHold, listLegalHolds, placeLegalHold } from "../control/legal-hold.ts";
import { BackupError } from "../domain/errors.ts";
import { isInSource } from "./is-in-source.ts";
import { table } from "./output.ts";
import type { Session } from "./session.ts";

export async function runPlaceHold(
  session: Session,
  { organization, reason }: { organization: string; reason: string },
): Promise<number> {
  if (reason.trim() === "" || reason.length > 500)
    throw new BackupError("UsageInvalid", "--reason says in 1 to 500 characters why everything must be kept.");
  // One that has neither rows nor backups is a slip of the pen; holding it would protect nobody.
  const backedUp = await (await session.repository()).listOrganizations();
  if (!backedUp.includes(organization) && !(await isInSource(session, organization)))
    throw new BackupError("OrganizationNotFound", `There is no organization ${organization}, and no backup of one.`);
  const hold = await placeLegalHold(await session.control(), { organizationId: organization, reason, actor: "cli" });
  session.output.result(
    hold,
    () => `nothing of the backups of ${organization} is removed until: wedsync-backup hold lift`,
  );
  return 0;
}

export async function runLiftHold(session: Session, { organization }: { organization: string }): Promise<number> {
  const lifted = await liftLegalHold(await session.control(), { organizationId: organization, actor: "cli" });
  session.output.result({ organizationId: organization, lifted }, () =>
    lifted ? `the hold of ${organization} is lifted` : `${organization} was under no hold`,
  );
  return 0;
}

export async function runListHolds(session: Session): Promise<number> {
  const holds = await listLegalHolds(await session.control());
  session.output.result(holds, () =>
    holds.length === 0
      ? "No organization is under a legal hold."
      : table(
          ["organization", "reason", "placed by", "since (UTC)"],
          holds.map((hold) => [
            hold.organizationId,
            hold.reason,
            hold.placedBy,
            hold.placedAt.slice(0, 19).replace("T", " "),
          ]),
        ),
  );
  return 0;
}

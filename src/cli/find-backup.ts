// Which backup somebody means, from the bucket and the key alone.
import { BackupError } from "../domain/errors.ts";
import { isDamage } from "../repository/damage.ts";
import { findLatest, findNamed } from "../repository/latest-backup.ts";
import type { Manifest } from "../repository/manifest.ts";
import type { OrganizationVault } from "../repository/vault.ts";
import type { Session } from "./session.ts";

export interface FoundBackup {
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
  readonly hash: string;
  readonly sizeBytes: number;
}

/** `backup`: an id, a sequence number, or "latest" (which is never one made right before a restore). @throws BackupNotFound */
export async function findBackup(
  session: Session,
  backup: string,
  organization: string | undefined,
): Promise<FoundBackup> {
  const repository = await session.repository();
  const ids = organization === undefined ? await repository.listOrganizations() : [organization];
  if (organization === undefined && ids.length > 1 && !backup.includes("-")) {
    throw new BackupError(
      "UsageInvalid",
      `Say which organization: --organization ID. There are ${ids.length} in this repository.`,
    );
  }
  let firstDamage: BackupError | undefined;
  for (const organizationId of ids) {
    const vault = await repository.openVault(organizationId);
    try {
      const header =
        backup === "latest"
          ? await findLatest(vault)
          : await findNamed(
              vault,
              (each) => each.backupId === backup || String(each.sequence) === backup,
              ({ code, message }) => session.output.say(`a damaged backup: ${code}: ${message}`),
            );
      if (header !== null) return { vault, ...(await vault.readManifest(header.sequence)) };
    } catch (error) {
      // The one that was asked for may be another organization's, and whole.
      if (!isDamage(error)) throw error;
      firstDamage ??= error;
    }
  }
  if (firstDamage !== undefined) {
    const { code, message, details } = firstDamage;
    const advice =
      "This backup can't be opened; wedsync-backup list names those that can, and show and recover take one by its number.";
    throw new BackupError(code, `${message.replace(/[^.]$/, "$&.")} ${advice}`, details, { cause: firstDamage });
  }
  throw new BackupError(
    "BackupNotFound",
    `There is no backup ${backup}${organization === undefined ? "" : ` of organization ${organization}`}. See: wedsync-backup list`,
  );
}

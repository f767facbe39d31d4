// Which kept backup a restore starts from. "At a time" is the newest one whose moment is at or before it; the seconds
// between two backups will come from the journal. Neither a moment nor "latest" means a backup that was made right before a
// restore: that one shows the damage.
import type { BackupChoice, ChosenBackup } from "../../src/domain/restore-run.ts";
import { BackupError } from "../../src/domain/errors.ts";
import { findLatest, findNamed, walkBackups } from "../../src/repository/latest-backup.ts";
import type { Manifest } from "../../src/repository/manifest.ts";
import type { Repository } from "../../src/repository/repository.ts";
import type { ManifestHeader } from "../../src/repository/manifest-object.ts";
import type { OrganizationVault } from "../../src/repository/vault.ts";

interface ChooseInput {
  readonly organizationId: string;
  readonly choice: BackupChoice;
  readonly mergeBase: BackupChoice | null;
}

export async function chooseBackup(
  repository: Repository,
  { organizationId, choice, mergeBase }: ChooseInput,
): Promise<ChosenBackup> {
  const vault = await repository.openVault(organizationId);
  const manifest = await findManifest(vault, choice);
  const base = mergeBase === null ? null : await findManifest(vault, mergeBase);
  if (base !== null && base.sequence <= manifest.sequence)
    throw new BackupError(
      "UsageInvalid",
      `The base of a merge shows the state after the damage: it must be later than backup ${manifest.sequence}.`,
    );
  return {
    sequence: manifest.sequence,
    backupId: manifest.backupId,
    takenAt: manifest.snapshot.takenAt,
    complete: manifest.complete,
    rootTable: manifest.root.table,
    rows: manifest.tables.reduce((sum, table) => sum + table.rows, 0),
    rawBytes: manifest.tables.reduce((sum, table) => sum + table.rawBytes, 0),
    mergeBaseSequence: base?.sequence ?? null,
  };
}

/** @throws BackupNotFound */
async function findManifest(vault: OrganizationVault, choice: BackupChoice): Promise<Manifest> {
  const { organizationId } = vault;
  const none = (what: string): BackupError =>
    new BackupError(
      "BackupNotFound",
      `There is no backup ${what} of organization ${organizationId}. See: wedsync-backup list --organization ${organizationId}`,
      { organizationId },
    );
  if (choice.by === "latest") {
    const latest = await findLatest(vault);
    if (latest === null) throw none("but those made before restores, if any,");
    return (await vault.readManifest(latest.sequence)).manifest;
  }
  if (choice.by !== "time") {
    const header = await findNamed(vault, (each) =>
      choice.by === "id" ? each.backupId === choice.backupId : each.sequence === choice.sequence,
    );
    if (header === null) throw none(choice.by === "id" ? choice.backupId : String(choice.sequence));
    return (await vault.readManifest(header.sequence)).manifest;
  }
  const at = microseconds(choice.at);
  let older: ManifestHeader | null = null;
  let newer: ManifestHeader | null = null;
  for await (const header of walkBackups(vault)) {
    if (microseconds(header.createdAt) <= at) {
      older = header;
      break;
    }
    newer = header;
  }
  // The one after it may show a moment before `at`, and have been sealed after it.
  const shown = newer === null ? null : (await vault.readManifest(newer.sequence)).manifest;
  if (shown !== null && microseconds(shown.snapshot.takenAt) <= at) return shown;
  if (older === null) throw none(`at or before ${choice.at}`);
  return (await vault.readManifest(older.sequence)).manifest;
}

/** @throws UsageInvalid */
function microseconds(iso: string): bigint {
  const milliseconds = Date.parse(iso);
  if (Number.isNaN(milliseconds))
    throw new BackupError("UsageInvalid", "A moment is written like 2026-06-01T12:00:00Z.");
  const beyond = /\.\d{3}(\d{1,3})/.exec(iso)?.[1] ?? "";
  return BigInt(milliseconds) * 1000n + BigInt(beyond.padEnd(3, "0"));
}

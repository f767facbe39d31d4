// What the target database is told: the order, and the backup's tables as streams that prove themselves as they pass.
import type { RestoreTarget, BackupContent, RestorePlanInput } from "../../src/ports/restore-target.ts";
import { BackupError } from "../../src/domain/errors.ts";
import type { RestoreKey, RestoreStep } from "../restore-contract.ts";
import type { ActivityDependencies } from "../dependencies.ts";
import { isDamage } from "../../src/repository/damage.ts";
import { readTableRows } from "../../src/repository/read-table.ts";
import type { OrganizationVault } from "../../src/repository/vault.ts";

export type RestoreDependencies = Pick<
  ActivityDependencies,
  "repository" | "restores" | "catalogue" | "openRestoreTarget" | "openRuleChecker" | "media" | "mediaTarget"
>;

export async function loadPlan(
  { repository, restores, catalogue }: RestoreDependencies,
  { order, backup }: RestoreStep,
): Promise<RestorePlanInput> {
  const vault = await repository.openVault(order.organizationId);
  const { records } = await restores.readSecrets(order.restoreId);
  // Without its keys, an order for one record would be one for everything.
  if ((records?.length ?? 0) !== order.records)
    throw new BackupError(
      "UsageInvalid",
      "The keys of the single records that were ordered are not kept; order the restore again. Nothing was touched.",
    );
  const { restoreId, organizationId, targetOrganizationId, strategy, liveOnly, renamedColumns } = order;
  // An order from before there were copies has no word on it.
  const { leftOverIds = "stop" } = order as Partial<typeof order>;
  return {
    restoreId,
    organizationId,
    targetOrganizationId,
    catalogue,
    backup: await loadContent(vault, backup.sequence),
    selection: { dataSets: order.dataSets, tables: order.tables, records },
    strategy,
    liveOnly,
    renamedColumns,
    leftOverIds,
    mergeBase: backup.mergeBaseSequence === null ? null : await loadContent(vault, backup.mergeBaseSequence),
  };
}

async function loadContent(vault: OrganizationVault, sequence: number): Promise<BackupContent> {
  const { manifest } = await vault.readManifest(sequence);
  return {
    schema: manifest.schema,
    tables: manifest.tables.map((entry) => {
      const { table, columns, keyColumnCount, rows, rawBytes, checksum } = entry;
      const readRows = () => namingDamage(readTableRows(vault, manifest, entry), table, sequence);
      return { table, columns, keyColumnCount, rows, rawBytes, checksum, readRows };
    }),
  };
}

/** One broken object keeps back the tables that are in it, and no other: whoever restores must hear which. */
async function* namingDamage(rows: AsyncIterable<Buffer>, table: string, sequence: number): AsyncGenerator<Buffer> {
  try {
    yield* rows;
  } catch (error) {
    if (!isDamage(error)) throw error;
    throw new BackupError(
      error.code,
      `${table} can't be read from backup ${sequence}: ${error.message} Nothing was restored. Restore the other tables of it (--table), or all from another backup (--backup); recover --salvage brings back what is left of this one.`,
      { ...error.details, table, sequence },
      { cause: error },
    );
  }
}

/** The restore's target database, for as long as `work` takes. */
export async function withTarget<T>(
  { restores, openRestoreTarget }: RestoreDependencies,
  { restoreId }: Pick<RestoreKey, "restoreId">,
  work: (target: RestoreTarget) => Promise<T>,
): Promise<T> {
  const { targetSealed } = await restores.readSecrets(restoreId);
  const target = await openRestoreTarget(targetSealed);
  try {
    return await work(target);
  } finally {
    await target.close();
  }
}

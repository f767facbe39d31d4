import type { TenantClosure } from "../src/domain/catalogue.ts";
import { BackupError } from "../src/domain/errors.ts";
import type { SnapshotReader } from "../src/ports/source-database.ts";

/** @throws OrganizationNotFound, OrganizationInvalid (the reader finds that the id is not of the key's type). */
export async function assertOrganization(
  reader: SnapshotReader,
  closure: TenantClosure,
  organizationId: string,
): Promise<void> {
  const root = closure.tables.find((table) => table.role === "root");
  if (root === undefined)
    throw new BackupError("CatalogueInvalid", "The catalogue's root table is not among the tables to back up.");
  const rows = await reader.query(`SELECT 1 AS present FROM (${root.rowsSql}) AS organization`, [organizationId]);
  if (rows.length === 0) {
    throw new BackupError(
      "OrganizationNotFound",
      `There is no organization ${organizationId} in ${root.table}. Give the key of one of its rows.`,
      {
        organizationId,
      },
    );
  }
}

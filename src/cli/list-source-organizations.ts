// The organizations of the source, once the catalogue is known to fit it: what is wrong is said before anything starts,
// and once, not for each organization.
import { listErased } from "../control/erasures.ts";
import { BackupError } from "../domain/errors.ts";
import { planTenantClosure } from "../domain/tenant-closure.ts";
import type { Session } from "./session.ts";

const howToMakeOne =
  "\nThis is WedSync's catalogue, which is built in. For a schema of your own:\n" +
  "  wedsync-backup catalogue suggest --root public.YOUR_TENANTS > catalogue.yaml\n" +
  "then read it, and set BACKUP_CATALOGUE=catalogue.yaml.";

/**
 * Ids in key order, without those whose backups were erased.
 * @throws CatalogueTableMissing, CatalogueInvalid, TableUnclassified, and the source's errors.
 */
export async function listSourceOrganizations(session: Session): Promise<readonly string[]> {
  const [source, catalogue] = await Promise.all([session.source(), session.catalogue()]);
  try {
    planTenantClosure(await source.readSchema(catalogue.schemas), catalogue);
  } catch (error) {
    if (!(error instanceof BackupError) || session.config.cataloguePath !== null) throw error;
    if (!["CatalogueTableMissing", "TableUnclassified"].includes(error.code)) throw error;
    throw new BackupError(error.code, error.message + howToMakeOne, error.details, { cause: error });
  }
  const all = await source.listOrganizations(catalogue.root);
  const erased = new Set(await listErased(await session.control()));
  const left = all.filter((organizationId) => !erased.has(organizationId));
  if (left.length < all.length)
    session.output.say(
      `left out, because their backups were erased: ${all.length - left.length} of ${all.length} organizations`,
    );
  return left;
}

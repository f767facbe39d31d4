// How a person without this product would copy one organization: COPY of each of its tables by psql.
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { loadCatalogue } from "../../src/config/load-catalogue.ts";
import { planTenantClosure } from "../../src/domain/tenant-closure.ts";

export interface OrganizationCopies {
  /** One COPY statement for each table. */
  readonly statements: readonly string[];
  /** The same as one script in one snapshot. */
  readonly script: string;
}

export async function planCopies(url: string, organizationId: string): Promise<OrganizationCopies> {
  const catalogue = await loadCatalogue(null);
  const source = createPostgresSource({ url });
  try {
    const { tables } = planTenantClosure(await source.readSchema(catalogue.schemas), catalogue);
    const statements = tables.map(
      ({ rowsSql }) => `COPY (${rowsSql.replaceAll("$1", () => `'${organizationId}'`)}) TO STDOUT`,
    );
    const script = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ...statements, "COMMIT", ""].join(";\n");
    return { statements, script };
  } finally {
    await source.close();
  }
}

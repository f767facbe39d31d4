// What an organization's rows are right now: a count and a hash of all of them, for each table.
import { fillOrganization } from "../../src/domain/sql-quoting.ts";
import { planTenantClosure } from "../../src/domain/tenant-closure.ts";
import type { Catalogue } from "../../src/domain/catalogue.ts";
import type { SourceDatabase } from "../../src/ports/source-database.ts";
import { onServer } from "./test-database.ts";

interface Observed {
  readonly source: SourceDatabase;
  readonly catalogue: Catalogue;
  readonly database: { readonly url: string };
}

export async function checksumsOf(
  { source, catalogue, database }: Observed,
  organizationId: string,
): Promise<Record<string, string>> {
  const { tables } = planTenantClosure(await source.readSchema(catalogue.schemas), catalogue);
  const checks = tables.map(
    ({ table, rowsSql }) =>
      `SELECT '${table}' AS name, count(*) || ' ' || coalesce(md5(string_agg(r::text, '|' ORDER BY r::text)), '') AS hash FROM (${fillOrganization(rowsSql, organizationId)}) AS r`,
  );
  const rows = await onServer<{ name: string; hash: string }>(database.url, checks.join(" UNION ALL "));
  return Object.fromEntries(rows.map(({ name, hash }) => [name, hash]));
}

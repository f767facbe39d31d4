// How a person without this product would copy one organization: COPY of each of its tables by psql.
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { loadCatalogue } from "../../src/config/load-catalogue.ts";
import { quoteIdentifier, quoteTable } from "../../src/domain/sql-quoting.ts";
import { planTenantClosure } from "../../src/domain/tenant-closure.ts";
import { tableOrder } from "../../src/samples/tables.ts";

export interface OrganizationCopies {
  /** One COPY statement for each table. */
  readonly statements: readonly string[];
  /** The same as one script in one snapshot. */
  readonly script: string;
  /** psql scripts: one writes a file for each table into the folder, the other one loads them in one transaction. */
  readonly unload: (folder: string) => string;
  readonly load: (folder: string) => string;
}

export async function planCopies(url: string, organizationId: string): Promise<OrganizationCopies> {
  const catalogue = await loadCatalogue(null);
  const source = createPostgresSource({ url });
  try {
    const { tables } = planTenantClosure(await source.readSchema(catalogue.schemas), catalogue);
    // As it was filled: parents first, and with them what a nullable reference needs.
    const place = (table: string): number => tableOrder.indexOf(table.replace("public.", ""));
    const ordered = tables.toSorted((a, b) => place(a.table) - place(b.table));
    const selects = ordered.map(({ rowsSql }) => rowsSql.replaceAll("$1", () => `'${organizationId}'`));
    const statements = selects.map((select) => `COPY (${select}) TO STDOUT`);
    const script = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ...statements, "COMMIT", ""].join(";\n");
    const unload = (folder: string): string =>
      selects.map((select, index) => `\\copy (${select}) TO '${folder}/${index}'\n`).join("");
    const load = (folder: string): string =>
      [
        "BEGIN;",
        ...ordered.map(
          ({ table, columns }, index) =>
            `\\copy ${quoteTable(table)} (${columns.map(quoteIdentifier).join(", ")}) FROM '${folder}/${index}'`,
        ),
        "COMMIT;\n",
      ].join("\n");
    return { statements, script, unload, load };
  } finally {
    await source.close();
  }
}

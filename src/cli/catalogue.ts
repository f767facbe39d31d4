// wedsync-backup catalogue: how the schema belongs to organizations; a first catalogue for any schema.
import { suggestCatalogue, writeCatalogue } from "../domain/catalogue-suggest.ts";
import { planTenantClosure } from "../domain/tenant-closure.ts";
import { table } from "./output.ts";
import type { Session } from "./session.ts";

export async function runShowCatalogue(session: Session): Promise<number> {
  const catalogue = await session.catalogue();
  const closure = planTenantClosure(await (await session.source()).readSchema(catalogue.schemas), catalogue);
  session.output.result({ catalogue, classifications: closure.classifications }, () =>
    table(
      ["table", "role", "data set", "why"],
      closure.classifications.map((each) => [each.table, each.role, each.dataSet ?? "-", each.reason]),
    ),
  );
  return 0;
}

/** Ends with an error that names every table and column that does not fit. */
export async function runCheckCatalogue(session: Session): Promise<number> {
  const catalogue = await session.catalogue();
  const closure = planTenantClosure(await (await session.source()).readSchema(catalogue.schemas), catalogue);
  const stored = closure.tables.length;
  session.output.result(
    { fits: true, stored, notStored: closure.classifications.length - stored },
    () =>
      `the catalogue ${catalogue.name} fits: ${stored} tables are stored, ${closure.classifications.length - stored} are not`,
  );
  return 0;
}

export async function runSuggestCatalogue(
  session: Session,
  options: { root: string; schema?: string[] },
): Promise<number> {
  const schemas = options.schema ?? [options.root.split(".")[0] ?? "public"];
  const schema = await (await session.source()).readSchema(schemas);
  const { catalogue, notes } = suggestCatalogue(schema, options.root, schemas);
  session.output.result(session.output.json ? { catalogue, notes } : null, () =>
    writeCatalogue(catalogue, notes).trimEnd(),
  );
  for (const note of notes) session.output.say(`look at: ${note}`);
  return 0;
}

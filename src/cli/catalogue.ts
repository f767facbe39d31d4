// wedsync-backup catalogue: how the schema belongs to organizations; a first catalogue for any schema.
import { suggestCatalogue } from "../domain/catalogue-suggest.ts";
import { writeCatalogue } from "../domain/write-catalogue.ts";
import { BackupError } from "../domain/errors.ts";
import { planTenantClosure } from "../domain/tenant-closure.ts";
import { checkRestorable, type Restorability } from "./check-restorable.ts";
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

/** Ends with an error that names every table and column that does not fit, or that would keep a backup from coming back. */
export async function runCheckCatalogue(session: Session, options: { backups: boolean }): Promise<number> {
  const catalogue = await session.catalogue();
  const closure = planTenantClosure(await (await session.source()).readSchema(catalogue.schemas), catalogue);
  const stored = closure.tables.length;
  const kept = options.backups ? await checkKept(session) : null;
  const blocking = kept?.drift.filter((entry) => entry.effect === "blocks") ?? [];
  session.output.result(
    { fits: true, stored, notStored: closure.classifications.length - stored, backups: kept },
    () => {
      const lines = [
        `the catalogue ${catalogue.name} fits: ${stored} tables are stored, ${closure.classifications.length - stored} are not`,
      ];
      if (kept === null) return lines.join("\n");
      for (const entry of kept.drift)
        lines.push(
          `${entry.effect === "blocks" ? "BLOCKS" : "handled"}: ${entry.table}${entry.column === null ? "" : `.${entry.column}`}: ${entry.what}, in the newest backup of ${entry.organizations} organizations: ${entry.message}`,
        );
      lines.push(
        blocking.length === 0
          ? `the newest backups of ${kept.organizations} organizations can be restored into this schema`
          : `${blocking.length} differences keep newest backups from being restored into this schema`,
      );
      return lines.join("\n");
    },
  );
  return blocking.length === 0 ? 0 : new BackupError("SchemaDrifted", "").kind.exitCode;
}

/** Null, and a line on stderr, where there is no repository to look into: before the first backup the catalogue counts. */
async function checkKept(session: Session): Promise<Restorability | null> {
  try {
    return await checkRestorable(session);
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    if (error.code !== "RepositoryMissing" && error.code !== "EncryptionKeyInvalid") throw error;
    session.output.say(`kept backups were not looked at: ${error.message}`);
    return null;
  }
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

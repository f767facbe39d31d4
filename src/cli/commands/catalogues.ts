// The verbs of the catalogue.
import type { Command } from "commander";
import { runCheckCatalogue, runShowCatalogue, runSuggestCatalogue } from "../catalogue.ts";
import { repeated } from "./option-kinds.ts";
import type { RunVerb } from "./run-verb.ts";

export function addCatalogueCommands(program: Command, run: RunVerb): void {
  program.commandsGroup("Your schema:");
  const catalogue = program.command("catalogue").description("how tables belong to organizations");
  catalogue
    .command("show")
    .description("every table and its role")
    .action(run((session) => runShowCatalogue(session)));
  catalogue
    .command("check")
    .description(
      "whether the catalogue fits the database, and kept backups could be restored into it (for CI of migrations)",
    )
    .option("--no-backups", "look at the catalogue alone")
    .action(run((session, options: { backups: boolean }) => runCheckCatalogue(session, options)));
  catalogue
    .command("suggest")
    .description("print a first catalogue for any schema")
    .requiredOption("--root <table>", "the tenants' table, as schema.table")
    .option("--schema <name>", "schemas to look at (may be given again; default: the root's)", repeated)
    .action(run((session, options: { root: string; schema?: string[] }) => runSuggestCatalogue(session, options)));
}

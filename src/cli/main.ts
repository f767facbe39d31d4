// The command line. Parses, opens a session, runs one verb, closes, exits. The only file here that reads process.env.
import { Command, CommanderError } from "commander";
import { BackupError } from "../domain/errors.ts";
import { addBackupCommands } from "./commands/backups.ts";
import { addCatalogueCommands } from "./commands/catalogues.ts";
import { addEvidenceCommands } from "./commands/evidence.ts";
import { addRestoreCommands } from "./commands/restores.ts";
import { createRunVerb } from "./commands/run-verb.ts";
import { addServiceCommands } from "./commands/services.ts";
import { reportError } from "./output.ts";
import { toolVersion } from "./session.ts";

const json = (): boolean => program.opts<{ json?: boolean }>().json === true;
const run = createRunVerb(process.env, json);

export const program = new Command("wedsync-backup")
  .description("Backs up, verifies and recovers one organization of a shared, live Postgres.")
  .version(toolVersion)
  .option("--json", "one JSON document on stdout, nothing else there")
  .showSuggestionAfterError()
  .exitOverride()
  .addHelpText(
    "after",
    "\nExamples:\n  wedsync-backup backup --all\n  wedsync-backup list\n  wedsync-backup recover latest --organization ID --to ./recovered\n",
  );

// In the order of the help and of the README's table.
addServiceCommands(program, run);
addBackupCommands(program, run);
addRestoreCommands(program, run);
addEvidenceCommands(program, run);
addCatalogueCommands(program, run);

export async function main(parameters: readonly string[]): Promise<void> {
  try {
    await program.parseAsync([...parameters], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version are no errors; commander has printed what is wrong with the others.
    if (error.exitCode === 0) return;
    if (json()) reportError(new BackupError("UsageInvalid", error.message), { json: true });
    process.exitCode = 2;
  }
}

if (import.meta.main) {
  // `wedsync-backup list | head` closes the pipe early; that is no fault.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  await main(process.argv.slice(2));
}

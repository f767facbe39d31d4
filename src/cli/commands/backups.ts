// The verbs that make backups, keep them, and let go of them.
import type { Command } from "commander";
import { runBackup, type BackupOptions } from "../backup.ts";
import { runLiftHold, runListHolds, runPlaceHold } from "../hold.ts";
import { runPruneBackups, type PruneOptions } from "../prune.ts";
import { addNotificationCommands } from "./notifications.ts";
import { addPolicyCommands } from "./policies.ts";
import { proofOption, repeated } from "./option-kinds.ts";
import type { RunVerb } from "./run-verb.ts";

export function addBackupCommands(program: Command, run: RunVerb): void {
  program.commandsGroup("Back up:");
  program
    .command("backup")
    .description("back up one organization, several, or all")
    .option("-o, --organization <id>", "which one (may be given again)", repeated)
    .option("--all", "every organization")
    .option("--data-set <name>", "only this data set (may be given again)", repeated)
    .addOption(proofOption())
    .option("--no-wait", "start and return")
    .action(run((session, options: BackupOptions) => runBackup(session, options)));
  addPolicyCommands(program, run);
  addNotificationCommands(program, run);
  program
    .command("prune")
    .description("let go of backups that no rule of their policy keeps")
    .option("-o, --organization <id>", "only this one")
    .option("--dry-run", "say which rule keeps each backup; change nothing")
    .option("--forget-missing", "write down that missing backups are known to be gone")
    .action(run((session, options: PruneOptions) => runPruneBackups(session, options)));
  const hold = program.command("hold").description("legal holds: nothing of an organization's backups is removed");
  hold
    .command("place")
    .description("from now on nothing is removed")
    .requiredOption("-o, --organization <id>")
    .requiredOption("--reason <text>", "kept in the audit log")
    .action(run((session, options: { organization: string; reason: string }) => runPlaceHold(session, options)));
  hold
    .command("lift")
    .description("retention and erasure may remove again")
    .requiredOption("-o, --organization <id>")
    .action(run((session, options: { organization: string }) => runLiftHold(session, options)));
  hold
    .command("list")
    .description("organizations under a legal hold")
    .action(run((session) => runListHolds(session)));
}

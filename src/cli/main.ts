// The command line. Parses, opens a session, runs one verb, closes, exits. The only file here that reads process.env.
import { Command, CommanderError, Option } from "commander";
import { parseConfig } from "../config/config.ts";
import { migrateControlTables } from "../control/migrate.ts";
import { proofLevels } from "../domain/backup-request.ts";
import type { VerificationLevel } from "../domain/verify-run.ts";
import { BackupError } from "../domain/errors.ts";
import { cacheFolder } from "../local/cache-folder.ts";
import { cliActor } from "./actor.ts";
import { auditVerb } from "./audit-verb.ts";
import { runVerifyAudit } from "./audit.ts";
import { runBackup, type BackupOptions } from "./backup.ts";
import { runCheckCatalogue, runShowCatalogue, runSuggestCatalogue } from "./catalogue.ts";
import { runDoctor } from "./doctor.ts";
import { runLiftHold, runListHolds, runPlaceHold } from "./hold.ts";
import { runErase, type EraseOptions } from "./erase.ts";
import { runGenerateKey, runRotateKey, runVerificationKey } from "./keys.ts";
import { runList, runShow } from "./list.ts";
import {
  runAddChannel,
  runChangeSecret,
  runListChannels,
  runListDeliveries,
  runRemoveChannel,
  runTestChannel,
  type AddChannelOptions,
} from "./notify.ts";
import { createOutput, reportError } from "./output.ts";
import {
  runDeletePolicy,
  runListPolicies,
  runPausePolicy,
  runPreviewPolicy,
  runPutPolicy,
  runReconcilePolicies,
  runTriggerPolicy,
  type PutPolicyOptions,
} from "./policy.ts";
import { runPruneBackups, type PruneOptions } from "./prune.ts";
import { runRecover } from "./recover.ts";
import { runReport } from "./report.ts";
import { addRestoreCommands } from "./restore-commands.ts";
import { addRetentionOptions } from "./retention-options.ts";
import { Session, toolVersion } from "./session.ts";
import type { TokenOptions } from "./token.ts";
import { runVerify } from "./verify.ts";

const environment = process.env;
const json = (): boolean => program.opts<{ json?: boolean }>().json === true;

/** Opens a session around a verb; whatever happens, it is closed, and the exit code is the error table's. */
function run<Parameters extends unknown[]>(
  verb: (session: Session, ...parameters: Parameters) => Promise<number> | number,
) {
  return async (...parameters: [...Parameters, Command]): Promise<void> => {
    const output = createOutput({ json: json() });
    let session: Session | null = null;
    try {
      session = new Session(parseConfig(environment, { cwd: process.cwd() }), output, cacheFolder(environment));
      for (const warning of session.config.warnings) output.say(`warning: ${warning}`);
      const opened = session;
      process.exitCode = await auditVerb(opened, parameters.at(-1) as Command, async () =>
        verb(opened, ...(parameters as unknown as Parameters)),
      );
    } catch (error) {
      process.exitCode = reportError(error, { json: json() });
    } finally {
      await session?.close();
    }
    process.exit();
  };
}

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

const proofOption = () =>
  new Option("--proof <level>", "how the backup is proven when it is made")
    .choices([...proofLevels])
    .default("content");
const verifiable = proofLevels.filter((level) => level !== "none");
const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

program.commandsGroup("Run:");
program
  .command("up")
  .description("start everything on this machine, back up every organization, keep running (npm start)")
  .option("--once", "back up and restore-test every organization, print a summary, end", false)
  .option("--no-demo", "do not lose and restore sample data for show")
  .action(
    run(async (session, options: { once: boolean; demo: boolean }) =>
      (await import("./up.ts")).runUp(session, options),
    ),
  );
program
  .command("worker")
  .description("run workflows and activities until stopped")
  .action(run(async (session) => (await import("./worker.ts")).runWorker(session)));
program
  .command("api")
  .description("serve the HTTP API (/docs, /openapi.json)")
  .action(run(async (session) => (await import("./api.ts")).runApi(session)));
program
  .command("token")
  .description("print a token for the HTTP API")
  .option("--role <role>", "viewer, operator, admin, owner, or platform (all organizations)", "admin")
  .option("-o, --organization <id>", "whose; not with --role platform")
  .option("--subject <name>", "who, in the audit log", cliActor())
  .option("--hours <number>", "how long it is valid", "8")
  .action(run(async (session, options: TokenOptions) => (await import("./token.ts")).runToken(session, options)));
program
  .command("migrate")
  .description("make or update the control tables (schema backup)")
  .action(
    run(async (session) => {
      await session.servers();
      const applied = await migrateControlTables(session.controlUrl);
      session.output.result({ applied }, () =>
        applied.length === 0 ? "the control tables are up to date" : `applied ${applied.join(", ")}`,
      );
      return 0;
    }),
  );
program
  .command("doctor")
  .description("show whether a backup would work")
  .action(run((session) => runDoctor(session)));

program.commandsGroup("Back up:");
program
  .command("backup")
  .description("back up one organization, several, or all")
  .option("-o, --organization <id>", "which one (may be given again)", collect)
  .option("--all", "every organization")
  .option("--data-set <name>", "only this data set (may be given again)", collect)
  .addOption(proofOption())
  .option("--no-wait", "start and return")
  .action(run((session, options: BackupOptions) => runBackup(session, options)));
const policy = program.command("policy").description("backups on a schedule");
addRetentionOptions(
  policy
    .command("create")
    .description("create a policy, or change the one of this name")
    .requiredOption("-o, --organization <id>")
    .requiredOption("--cron <line>", "five fields, such as '0 2 * * *'")
    .option("--name <name>", "", "nightly")
    .option("--time-zone <zone>", "", "UTC")
    .option("--jitter <seconds>", "spread starts over so many seconds", "300")
    .option("--catchup <seconds>", "catch up a missed run of at most this age", "21600")
    .option("--data-set <name>", "only this data set (may be given again)", collect)
    .addOption(proofOption())
    .option("--after <policy>", "run only after this policy has run well (may be given again)", collect)
    .option("--verify-cron <line>", "verify stored backups on a schedule of its own, too")
    .addOption(
      new Option("--verify-level <level>", "how the newest is verified then").choices(verifiable).default("restore"),
    )
    .option("--verify-nights <count>", "within so many of these runs every stored byte is read once", "7"),
).action(run((session, options: PutPolicyOptions) => runPutPolicy(session, options)));
policy
  .command("list")
  .description("policies and when they run next")
  .option("-o, --organization <id>")
  .action(run((session, options: { organization?: string }) => runListPolicies(session, options)));
policy
  .command("pause <id>")
  .description("stop running it")
  .action(run((session, id: string) => runPausePolicy(session, id, true)));
policy
  .command("resume <id>")
  .description("run it again")
  .action(run((session, id: string) => runPausePolicy(session, id, false)));
policy
  .command("trigger <id>")
  .description("run it now")
  .action(run((session, id: string) => runTriggerPolicy(session, id)));
policy
  .command("delete <id>")
  .description("remove it; its backups stay")
  .action(run((session, id: string) => runDeletePolicy(session, id)));
policy
  .command("reconcile")
  .description("make Temporal's schedules equal the policies")
  .action(run((session) => runReconcilePolicies(session)));
policy
  .command("preview <cron>")
  .description("say in words and times what a cron line means")
  .option("--time-zone <zone>", "", "UTC")
  .action(run((session, cron: string, options: { timeZone: string }) => runPreviewPolicy(session, cron, options)));

const notify = program.command("notify").description("who is told what becomes of backups");
notify
  .command("add")
  .description("tell a webhook or e-mail addresses")
  .requiredOption("-o, --organization <id>")
  .requiredOption("--name <name>", "what the channel is called")
  .option("--webhook <url>", "https; its signing secret is printed once")
  .option("--email <address>", "(may be given again)", collect)
  .option("--event <event>", "only this event (may be given again); default: all but backup.completed", collect)
  .action(run((session, options: AddChannelOptions) => runAddChannel(session, options)));
notify
  .command("list")
  .description("channels")
  .option("-o, --organization <id>")
  .action(run((session, options: { organization?: string }) => runListChannels(session, options)));
notify
  .command("secret <channel>")
  .description("give a webhook a new signing secret; for a while the old one signs, too")
  .option("--overlap-hours <hours>", "how long the old one signs, too; 0 where it was given away (default: 24)")
  .action(run((session, id: string, options: { overlapHours?: string }) => runChangeSecret(session, id, options)));
notify
  .command("remove <channel>")
  .description("tell it nothing more")
  .action(run((session, id: string) => runRemoveChannel(session, id)));
notify
  .command("test <channel>")
  .description("send a test through it, and say what came of it")
  .action(run((session, id: string) => runTestChannel(session, id)));
notify
  .command("deliveries")
  .description("what was sent, how often it was tried and how that ended")
  .option("-o, --organization <id>")
  .action(run((session, options: { organization?: string }) => runListDeliveries(session, options)));
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

addRestoreCommands(program, run, environment["RESTORE_TARGET_DATABASE_URL"]);

program.commandsGroup("Look, prove, recover (needs the bucket and the key alone):");
program
  .command("list")
  .description("backups")
  .option("-o, --organization <id>")
  .action(run((session, options: { organization?: string }) => runList(session, options)));
program
  .command("show <backup>")
  .description("one backup: an id, a number, or latest")
  .option("-o, --organization <id>")
  .action(run((session, backup: string, options: { organization?: string }) => runShow(session, backup, options)));
program
  .command("verify [backup]")
  .description("prove stored backups; integrity also with BACKUP_VERIFICATION_KEY alone")
  .option("-o, --organization <id>")
  .addOption(
    new Option("--level <level>", "consistency and restore run as a workflow, and keep what they find")
      .choices(verifiable)
      .default("integrity"),
  )
  .action(
    run((session, backup: string | undefined, options: { organization?: string; level: VerificationLevel }) =>
      runVerify(session, backup, options),
    ),
  );
program
  .command("recover <backup>")
  .description("recover one backup into files or an empty database")
  .option("-o, --organization <id>")
  .option("--to <folder>", "COPY text, schema, files, manifest")
  .option(
    "--to-database <url>",
    "an empty Postgres database (or RECOVER_DATABASE_URL, which hides the password from other users)",
  )
  .option("--salvage", "with --to: bring back what a damaged backup still has, and name the rest")
  .action(
    run((session, backup: string, options: Parameters<typeof runRecover>[2]) => runRecover(session, backup, options)),
  );
program
  .command("erase")
  .description("destroy an organization's key and delete everything that is kept of its backups, for ever")
  .requiredOption("-o, --organization <id>")
  .option("--confirm <id>", "its id or name once more, to the letter; else it is asked for")
  .option("--dry-run", "show what would go, and what would refuse it")
  .option(
    "--leave-locked",
    "destroy the key although the store locks objects; they stay, unreadable, until the lock ends",
  )
  .option("--show-certificate", "print the certificate of an erasure, and check it")
  .action(run((session, options: EraseOptions) => runErase(session, options)));
const audit = program.command("audit").description("the audit log");
audit
  .command("verify")
  .description("prove that no entry was changed, removed or inserted")
  .option("--anchors <file>", "the output of an earlier `--json audit verify`, kept elsewhere")
  .action(run((session, options: { anchors?: string }) => runVerifyAudit(session, options)));
program
  .command("report")
  .description("compliance report of an organization and period, from kept evidence")
  .requiredOption("-o, --organization <id>")
  .option("--from <day>", "default: 30 days before the end")
  .option("--to <day>", "default: now")
  .option("--html <file>", "also write it as a page")
  .option("--pdf <file>", "also write it as a PDF")
  .action(
    run((session, options: { organization: string; from?: string; to?: string; html?: string; pdf?: string }) =>
      runReport(session, options),
    ),
  );
const keys = program.command("keys").description("keys");
keys
  .command("generate")
  .description("print a new encryption key")
  .action(run((session) => runGenerateKey(session)));
keys
  .command("rotate")
  .description("wrap all organization keys by BACKUP_NEW_ENCRYPTION_KEY")
  .action(run((session) => runRotateKey(session)));
keys
  .command("verification")
  .description("print an organization's verification key: it proves, and can't read")
  .requiredOption("-o, --organization <id>")
  .action(run((session, options: { organization: string }) => runVerificationKey(session, options)));

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
  .option("--schema <name>", "schemas to look at (may be given again; default: the root's)", collect)
  .action(run((session, options: { root: string; schema?: string[] }) => runSuggestCatalogue(session, options)));

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

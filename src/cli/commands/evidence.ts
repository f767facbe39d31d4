// The verbs on what is stored already: look, prove, recover, erase, and account for it.
import { Option, type Command } from "commander";
import type { VerificationLevel } from "../../domain/verify-run.ts";
import { runVerifyAudit } from "../audit.ts";
import { runErase, type EraseOptions } from "../erase.ts";
import { runGenerateKey, runRotateKey, runVerificationKey } from "../keys.ts";
import { runList } from "../list.ts";
import { runRecover } from "../recover.ts";
import { runReport } from "../report.ts";
import { runShow } from "../show.ts";
import { runVerify } from "../verify.ts";
import { provingLevels } from "./option-kinds.ts";
import type { RunVerb } from "./run-verb.ts";

export function addEvidenceCommands(program: Command, run: RunVerb): void {
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
        .choices(provingLevels)
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
}

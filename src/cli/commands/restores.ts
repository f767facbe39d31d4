// The verbs that restore, as commander sees them.
import { Option, type Command } from "commander";
import type { Decision } from "../../domain/restore-request.ts";
import { decisions } from "../../domain/restore-run.ts";
import type { DifferenceRow } from "../../ports/restore-target.ts";
import type { RestoreOptions } from "../restore-order.ts";
import { runRestore } from "../restore.ts";
import {
  runApproveRestore,
  runCancelRestore,
  runDecideRestore,
  runListRestores,
  runRollback,
  runShowRestore,
  runShowRows,
} from "../restores.ts";
import { repeated } from "./option-kinds.ts";
import type { RunVerb } from "./run-verb.ts";

export function addRestoreCommands(program: Command, run: RunVerb): void {
  program.commandsGroup("Restore:");
  program
    .command("restore")
    .description("bring back one organization, or a part of it, into the live database; look first with --dry-run")
    .requiredOption("-o, --organization <id>")
    .option("--backup <backup>", "an id, a number, or latest (default)")
    .option("--at <moment>", "the newest backup at or before it, such as 2026-06-01T12:00:00Z")
    .option("--datasets <names>", "only these data sets, with commas between")
    .option("--table <name>", "only this table, as schema.table (may be given again)", repeated)
    .option(
      "--record <record>",
      "only this record and what hangs on it, as schema.table:KEY (may be given again)",
      repeated,
    )
    .option("--records <file>", "the same from a file, one a line: other users can't read it as an argument")
    .addOption(
      new Option("--conflict <strategy>", "what becomes of rows that differ")
        .choices(["overwrite", "skip", "merge", "prompt"])
        .default("overwrite"),
    )
    .option("--merge-base <backup>", "for merge: a backup of the state right after the damage")
    .addOption(
      new Option("--live-only <rule>", "what becomes of rows that exist only live")
        .choices(["keep", "mirror"])
        .default("keep"),
    )
    .option(
      "--rename <column>",
      "a column that was renamed since, as schema.table.old=new (may be given again)",
      repeated,
    )
    .option(
      "--target-organization <id>",
      "restore as another organization, which is made new: every key is another one",
    )
    .addOption(
      new Option("--left-over-ids <rule>", "with --target-organization: values that still hold an old id")
        .choices(["stop", "report"])
        .default("stop"),
    )
    .option(
      "--target-database-url <url>",
      "restore into another database (or RESTORE_TARGET_DATABASE_URL, which hides the password from other users)",
    )
    .option("--dry-run", "show what it would change; write nothing")
    .option("--rows <count>", "with --dry-run: also show so many differing rows, old and new", "0")
    .option("-y, --yes", "apply without asking")
    .option("--decisions <file>", "for prompt: decisions by row, table or for the rest (JSON or YAML)")
    .option("--default-decision <decision>", `for prompt: what holds at the deadline (${decisions.join(", ")})`)
    .option("--deadline <hours>", "how long it waits for approval and decisions", "72")
    .option("--no-backup-first", "make no backup right before rows are written")
    .option("--no-wait", "order it and return; it waits to be approved")
    .action(run((session, options: RestoreOptions) => runRestore(session, options)));
  program
    .command("rollback <restore>")
    .description("take an applied restore back, exactly, or say which rows changed since")
    .option("--partial", "undo what can be undone, and list the rest")
    .action(run((session, id: string, options: { partial?: boolean }) => runRollback(session, id, options)));
  const restores = program.command("restores").description("restores: done, under way, waiting for people");
  restores
    .command("list", { isDefault: true })
    .description("the newest first")
    .option("-o, --organization <id>")
    .option("--limit <count>", "", "50")
    .action(run((session, options: { organization?: string; limit: string }) => runListRestores(session, options)));
  restores
    .command("show <restore>")
    .description("what it found and did")
    .action(run((session, id: string) => runShowRestore(session, id)));
  restores
    .command("rows <restore>")
    .description("rows that differ, old and new, while it waits")
    .option("--table <name>")
    .addOption(new Option("--kind <kind>").choices(["missing", "changed", "live only", "taken"]))
    .option("--after <number>", "go on after this row", "0")
    .option("--limit <count>", "", "50")
    .action(
      run(
        (
          session,
          id: string,
          options: { table?: string; kind?: DifferenceRow["kind"]; after: string; limit: string },
        ) => runShowRows(session, id, options),
      ),
    );
  restores
    .command("approve <restore>")
    .description("let a restore that waits be applied")
    .action(run((session, id: string) => runApproveRestore(session, id)));
  restores
    .command("decide <restore>")
    .description("decide the conflicts of a restore that waits")
    .option("--decisions <file>", "by row, table or for the rest (JSON or YAML)")
    .addOption(new Option("--rest <decision>", "for all that have none yet").choices([...decisions]))
    .option("--table <name>", "with --rest: only of this table")
    .action(
      run((session, id: string, options: { decisions?: string; rest?: Decision; table?: string }) =>
        runDecideRestore(session, id, options),
      ),
    );
  restores
    .command("cancel <restore>")
    .description("end a restore; what it wrote is undone")
    .action(run((session, id: string) => runCancelRestore(session, id)));
}

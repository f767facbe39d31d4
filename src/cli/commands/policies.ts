// The verbs of policies.
import { Option, type Command } from "commander";
import {
  runDeletePolicy,
  runListPolicies,
  runPausePolicy,
  runPreviewPolicy,
  runPutPolicy,
  runReconcilePolicies,
  runTriggerPolicy,
  type PutPolicyOptions,
} from "../policy.ts";
import { addRetentionOptions } from "../retention-options.ts";
import { proofOption, provingLevels, repeated } from "./option-kinds.ts";
import type { RunVerb } from "./run-verb.ts";

export function addPolicyCommands(program: Command, run: RunVerb): void {
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
      .option("--data-set <name>", "only this data set (may be given again)", repeated)
      .addOption(proofOption())
      .option("--after <policy>", "run only after this policy has run well (may be given again)", repeated)
      .option("--verify-cron <line>", "verify stored backups on a schedule of its own, too")
      .addOption(
        new Option("--verify-level <level>", "how the newest is verified then")
          .choices(provingLevels)
          .default("restore"),
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
}

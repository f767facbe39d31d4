// The verbs of notification channels.
import type { Command } from "commander";
import {
  runAddChannel,
  runChangeSecret,
  runListChannels,
  runListDeliveries,
  runRemoveChannel,
  runTestChannel,
  type AddChannelOptions,
} from "../notify.ts";
import { repeated } from "./option-kinds.ts";
import type { RunVerb } from "./run-verb.ts";

export function addNotificationCommands(program: Command, run: RunVerb): void {
  const notify = program.command("notify").description("who is told what becomes of backups");
  notify
    .command("add")
    .description("tell a webhook or e-mail addresses")
    .requiredOption("-o, --organization <id>")
    .requiredOption("--name <name>", "what the channel is called")
    .option("--webhook <url>", "https; its signing secret is printed once")
    .option("--email <address>", "(may be given again)", repeated)
    .option("--event <event>", "only this event (may be given again); default: all but backup.completed", repeated)
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
}

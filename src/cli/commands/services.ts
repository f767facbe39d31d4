// The verbs that keep something running on this machine, and what they need before.
import type { Command } from "commander";
import { migrateControlTables } from "../../control/migrate.ts";
import { cliActor } from "../actor.ts";
import { runDoctor } from "../doctor.ts";
import type { TokenOptions } from "../token.ts";
import type { RunVerb } from "./run-verb.ts";

export function addServiceCommands(program: Command, run: RunVerb): void {
  program.commandsGroup("Run:");
  program
    .command("up")
    .description("start everything on this machine, back up every organization, keep running (npm start)")
    .option("--once", "back up and restore-test every organization, print a summary, end", false)
    .option("--no-demo", "do not lose and restore sample data for show")
    .action(
      run(async (session, options: { once: boolean; demo: boolean }) =>
        (await import("../up.ts")).runUp(session, options),
      ),
    );
  program
    .command("worker")
    .description("run workflows and activities until stopped")
    .action(run(async (session) => (await import("../worker.ts")).runWorker(session)));
  program
    .command("api")
    .description("serve the HTTP API (/docs, /openapi.json)")
    .action(run(async (session) => (await import("../api.ts")).runApi(session)));
  program
    .command("token")
    .description("print a token for the HTTP API")
    .option("--role <role>", "viewer, operator, admin, owner, or platform (all organizations)", "admin")
    .option("-o, --organization <id>", "whose; not with --role platform")
    .option("--subject <name>", "who, in the audit log", cliActor())
    .option("--hours <number>", "how long it is valid", "8")
    .action(run(async (session, options: TokenOptions) => (await import("../token.ts")).runToken(session, options)));
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
}

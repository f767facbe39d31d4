// Every verb of the command line is in the audit log: before it is done ("allowed"), and how it ended. A new verb is, too,
// unless it is named here. What can't be written down is not done; only what must work with the bucket and the key alone,
// when everything else is lost, is done all the same, and says so.
import type { Command } from "commander";
import { appendOwnAudit } from "../control/audit.ts";
import type { ControlDatabase } from "../control/control-database.ts";
import { BackupError } from "../domain/errors.ts";
import { cliActor } from "./actor.ts";
import type { Session } from "./session.ts";

/** They change nothing and show nothing of an organization's rows; or they run what audits by itself. */
const unaudited = new Set(
  `up, worker, api, migrate, doctor, list, show, keys generate, policy list, policy preview, restores list, restores show,
   catalogue show, catalogue check, catalogue suggest`.split(/,\s+/),
);

/** They need no control tables. read: they go on without them; change: not where there should be some. */
const standsAlone: Readonly<Record<string, "read" | "change">> = {
  recover: "read",
  verify: "read",
  "keys verification": "read",
  "keys rotate": "change",
  token: "change",
};

export async function auditVerb(session: Session, command: Command, work: () => Promise<number>): Promise<number> {
  const verb = verbOf(command);
  if (unaudited.has(verb)) return await work();
  const kind = standsAlone[verb];
  const control = kind === undefined ? await session.control() : await session.knownControl();
  if (control === null) return await work(); // no control tables are known: there is no log to write into
  const write = (outcome: "allowed" | "done" | "failed", details: object): Promise<void> =>
    append(session, control, { verb, command, outcome, details, mayMiss: kind === "read" });
  await write("allowed", {});
  let exitCode: number;
  try {
    exitCode = await work();
  } catch (error) {
    await write("failed", { code: error instanceof BackupError ? error.code : "Internal" });
    throw error;
  }
  await write(exitCode === 0 ? "done" : "failed", { exitCode });
  return exitCode;
}

interface Entry {
  readonly verb: string;
  readonly command: Command;
  readonly outcome: "allowed" | "done" | "failed";
  readonly details: object;
  readonly mayMiss: boolean;
}

async function append(session: Session, control: ControlDatabase, entry: Entry): Promise<void> {
  const { organization } = entry.command.opts<{ organization?: string | readonly string[] }>();
  // One chain for each organization; a verb on several is in the chain of none, and its runs are in theirs.
  const [only, ...more] = [organization ?? []].flat();
  try {
    await appendOwnAudit(control, {
      organizationId: more.length === 0 ? (only ?? null) : null,
      actor: cliActor(),
      action: `cli.${entry.verb.replaceAll(" ", ".")}`,
      subject: subjectOf(entry.command) ?? entry.verb,
      outcome: entry.outcome,
      details: entry.details,
    });
  } catch (error) {
    if (entry.mayMiss) return session.output.say("this is not in the audit log: the control tables do not answer");
    throw new BackupError(
      "AuditUnavailable",
      "The audit log can't be written, so nothing is done. Check BACKUP_DATABASE_URL.",
      {},
      { cause: error },
    );
  }
}

/** An id or a number; nothing else that somebody typed: it can be an address with a password in it. */
function subjectOf({ args: [first] }: Command): string | null {
  return first !== undefined && /^[\w.:-]{1,100}$/.test(first) ? first : null;
}

function verbOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(" ");
}

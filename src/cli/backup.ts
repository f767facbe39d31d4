// wedsync-backup backup: asks Temporal for backups and follows them.
import type { Client } from "@temporalio/client";
import { cancelBackup, followBackup, requestBackup, type StartedBackup } from "../client/start-backup.ts";
import type { ProofLevel } from "../domain/backup-request.ts";
import { BackupError } from "../domain/errors.ts";
import type { BackupProgress } from "../domain/progress.ts";
import { cliActor } from "./actor.ts";
import { describeRuns } from "./describe-runs.ts";
import { listSourceOrganizations } from "./list-source-organizations.ts";
import { bringWorker } from "./open-worker.ts";
import { nameOrganizations } from "./organization-names.ts";
import { bytes, number, usage } from "./output.ts";
import { exitCodeOf, type BackupRun } from "./run-results.ts";
import type { Session } from "./session.ts";

export interface BackupOptions {
  readonly organization?: string[];
  readonly all?: boolean;
  readonly dataSet?: string[];
  readonly proof: ProofLevel;
  readonly wait: boolean;
}

/** Runs at a time; each holds a snapshot on the source. */
const concurrency = 8;

export async function runBackup(session: Session, options: BackupOptions): Promise<number> {
  if ((options.organization === undefined) === (options.all !== true))
    throw usage("Say --organization ID (once or more), or --all.");
  const client = await session.client();
  await bringWorker(session);
  const ids = options.organization ?? (await listSourceOrganizations(session));
  const dataSets = options.dataSet ?? null;
  if (!options.wait) {
    const started: ({ organizationId: string } & StartedBackup)[] = [];
    for (const organizationId of ids)
      started.push({
        organizationId,
        ...(await requestBackup(client, {
          organizationId,
          dataSets,
          proof: options.proof,
          trigger: "cli",
          requestedBy: cliActor(),
        })),
      });
    session.output.result(started, () =>
      started
        .map((run) => `${run.organizationId}: ${run.joined ? "already running" : "started"} as ${run.backupId}`)
        .join("\n"),
    );
    return 0;
  }
  const runs = await backUpAll(session, client, ids, { dataSets, proof: options.proof });
  const names = await nameOrganizations(session);
  session.output.result(ids.length === 1 ? runs[0] : runs, () => describeRuns(runs, { names }));
  return exitCodeOf(runs);
}

export async function backUpAll(
  session: Session,
  client: Client,
  ids: readonly string[],
  asked: { dataSets: readonly string[] | null; proof: ProofLevel },
): Promise<BackupRun[]> {
  const results: BackupRun[] = [];
  const active = new Map<string, StartedBackup>();
  const restore = cancelOnInterrupt(session, client, active);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < ids.length; index = next++) {
      const organizationId = ids[index] as string;
      try {
        const started = await requestBackup(client, {
          organizationId,
          trigger: "cli",
          requestedBy: cliActor(),
          ...asked,
        });
        if (started.joined) session.output.say(`${organizationId}: a backup was under way already; following it`);
        active.set(organizationId, started);
        results[index] = await followBackup(client, started, (progress) =>
          session.output.progress(describeProgress(organizationId, progress, ids.length, results)),
        );
      } catch (error) {
        if (!(error instanceof BackupError)) throw error;
        results[index] = { organizationId, error: { code: error.code, message: error.message } };
      } finally {
        active.delete(organizationId);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(concurrency, ids.length) }, work));
  } finally {
    restore();
  }
  return results;
}

/** The first Ctrl-C cancels the runs and waits for them to clean up; the second leaves them to Temporal. */
function cancelOnInterrupt(session: Session, client: Client, active: ReadonlyMap<string, StartedBackup>): () => void {
  const onInterrupt = (): void => {
    session.output.say("cancelling; once more to leave the runs to Temporal");
    for (const started of active.values()) void cancelBackup(client, started).catch(() => {}); // a run that just ended can't be cancelled
    process.once("SIGINT", () => process.exit(130));
  };
  process.once("SIGINT", onInterrupt);
  return () => void process.removeListener("SIGINT", onInterrupt);
}

function describeProgress(
  organizationId: string,
  progress: BackupProgress,
  total: number,
  results: readonly unknown[],
): string {
  const place = total > 1 ? `[${results.filter(Boolean).length}/${total}] ` : "";
  const left = progress.secondsLeft === null ? "" : `, ${progress.secondsLeft} s left`;
  const speed = progress.bytesPerSecond > 0 ? `, ${bytes(progress.bytesPerSecond)}/s` : "";
  return `${place}${organizationId.slice(0, 8)} ${progress.stage} ${progress.percent} %, ${number(progress.rows)} rows, ${bytes(progress.rawBytes)}${speed}${left}`;
}

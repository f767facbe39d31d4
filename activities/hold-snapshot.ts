// Stage 2 and 3, plan and snapshot: opens one consistent moment of the organization, sets up the session on this worker's
// bench, tells the workflow, and holds everything until the backup is sealed, cancelled, or the snapshot is lost.
//
// The holder and the bench are one process on purpose: losing the worker loses both, so there is one way to recover (a
// new snapshot), instead of two that must agree.
import { Context } from "@temporalio/activity";
import { BackupError } from "../src/domain/errors.ts";
import { planTenantClosure } from "../src/domain/tenant-closure.ts";
import type { HeldSnapshot } from "../src/ports/source-database.ts";
import type { BackupSession } from "./backup-session.ts";
import { collectFirstAhead } from "./collect.ts";
import type { SnapshotActivities, SnapshotReady } from "./contract.ts";
import type { ActivityDependencies } from "./dependencies.ts";
import { beatWhile } from "./heartbeat.ts";
import { openSession } from "./open-session.ts";
import { Stopwatch } from "./stopwatch.ts";

/** Vacuum can't remove dead rows newer than an open snapshot: it must not live for ever. */
const maxSnapshotAgeMs = 4 * 60 * 60 * 1000;
/** A waiting ALTER TABLE behind our lock blocks everyone else: after this long we yield and start again later. */
const maxBlockedMs = 10_000;

export function createSnapshotActivities(dependencies: ActivityDependencies): SnapshotActivities {
  const { source, catalogue, bench, log } = dependencies;
  return {
    async holdSnapshot({ key, request, uploadedPacks }) {
      await beatWhile(
        () => ({ stage: "snapshot" }),
        async () => {
          const planning = new Stopwatch("shared");
          let held: HeldSnapshot | null = null;
          try {
            held = await source.holdSnapshot(catalogue.schemas, (schema) => planTenantClosure(schema, catalogue));
            const plan = planning.figures();
            const opening = new Stopwatch("shared");
            const session = await openSession(dependencies, held, key, request, uploadedPacks).finally(() =>
              opening.stop(),
            );
            collectFirstAhead(bench, session);
            await announce({
              attempt: key.attempt,
              benchQueue: bench.queue,
              takenAt: held.reference.takenAt,
              tables: session.parts.tables.length,
              estimatedBytes: session.parts.estimatedBytes,
              incremental: session.comparable.length > 0,
              plan,
              snapshot: opening.figures(),
            });
            await holdUntilDone(held, session);
          } finally {
            planning.stop();
            await bench.clear(key);
            await held?.release();
            log.info("snapshot released", { backupId: key.backupId, attempt: key.attempt });
          }
        },
      );
    },
  };
}

async function announce(ready: SnapshotReady): Promise<void> {
  const { client, info } = Context.current();
  const { workflowId = "", runId = "" } = info.workflowExecution ?? {};
  try {
    await client.workflow.getHandle(workflowId, runId).signal("snapshotReady", ready);
  } catch (error) {
    throw new BackupError(
      "TemporalUnreachable",
      "The Temporal server did not take the word that the snapshot is ready.",
      {},
      { cause: error },
    );
  }
}

async function holdUntilDone(held: HeldSnapshot, session: BackupSession): Promise<void> {
  const context = Context.current();
  const watch = new AbortController();
  const lost = held.lost.then((reason) => {
    throw new BackupError("SnapshotLost", `The connection that held the snapshot ended: ${reason}`);
  });
  const cancelled = context.cancelled; // rejects with CancelledFailure
  try {
    await Promise.race([session.finished, lost, cancelled, watchHold(held, watch.signal)]);
  } finally {
    watch.abort();
  }
}

/** Never resolves; rejects when the hold has become a burden on the users of the database. */
async function watchHold(held: HeldSnapshot, signal: AbortSignal): Promise<never> {
  const startedMs = performance.now();
  let blockedSinceMs: number | null = null;
  return await new Promise<never>((_, reject) => {
    const look = async (): Promise<void> => {
      const nowMs = performance.now();
      if (nowMs - startedMs > maxSnapshotAgeMs)
        throw new BackupError("SnapshotLost", "The snapshot reached its greatest age.");
      const blocked = await held.countBlockedSessions().catch((error: unknown) => {
        // Looking needs a connection of its own, and a busy server may have none left: no reason to give up the snapshot.
        if (error instanceof BackupError && error.code === "SourceUnreachable") return 0;
        throw error;
      });
      blockedSinceMs = blocked === 0 ? null : (blockedSinceMs ?? nowMs);
      if (blockedSinceMs !== null && nowMs - blockedSinceMs > maxBlockedMs) {
        throw new BackupError(
          "SnapshotBlocked",
          `${blocked} sessions waited behind the backup's locks; it yields to them.`,
          { blocked },
        );
      }
    };
    const timer = setInterval(() => void look().catch(reject), 2_500);
    signal.addEventListener("abort", () => clearInterval(timer));
  });
}

// One backup of one organization. The workflow id is fixed (backup/<organization>), so at most one runs at a time; the
// backup's id is the run's id.
//
//   authorize → hold a snapshot → collect → compress → encrypt → upload (batches overlap) → seal → verify → report
//
// The snapshot and the batches live in one worker's memory. When that worker, or the snapshot, is lost, the run starts
// again from a new snapshot; what is already stored is not stored again. Until `sealBackup` there is no backup; any
// failure before it removes what was uploaded and lists nothing.
import {
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  log,
  rootCause,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from "@temporalio/workflow";
import type { BackupOutcome, BackupRequest } from "../src/domain/backup-request.ts";
import type { SealedBackup, SessionKey, SnapshotReady, StoredPack } from "../activities/contract.ts";
import { compensation, control, onBench, queued, snapshots } from "./activity-options.ts";
import { ProgressTracker } from "./backup-progress.ts";
import { describeFailure, needsNewSnapshot } from "./failures.ts";
import { progressQuery, snapshotReadySignal } from "./messages.ts";
import { runBatches } from "./run-batches.ts";
import { renderDetails } from "./render-details.ts";

/** With the pauses between them they outlast a restart of Postgres or of a worker: about a minute. */
const maxRestarts = 7;
const restartPauseMs = (attempt: number): number => Math.min(15_000, 500 * 2 ** attempt);

export async function backupOrganization(request: BackupRequest): Promise<BackupOutcome> {
  const { runId: backupId, workflowId } = workflowInfo();
  const startedMs = Date.now();
  const progress = new ProgressTracker(startedMs);
  const uploadedPacks = new Map<string, StoredPack>();
  let attempt = 1;
  let fencingToken: number | null = null;
  let ready: SnapshotReady | null = null;
  const key = (): SessionKey => ({ backupId, organizationId: request.organizationId, attempt });
  const show = () => setCurrentDetails(renderDetails(request, progress.current(Date.now())));

  setHandler(progressQuery, () => progress.current(Date.now()));
  setHandler(snapshotReadySignal, (signalled) => {
    if (signalled.attempt === attempt) ready = signalled;
  });
  upsertSearchAttributes({ BackupId: [backupId] });
  show();

  /** Snapshot to sealed manifest, once. */
  const protect = async (): Promise<SealedBackup> => {
    ready = null;
    progress.stage = "snapshot";
    show();
    let sealed: SealedBackup | undefined;
    await CancellationScope.cancellable(async () => {
      const scope = CancellationScope.current();
      let held = true;
      const hold = snapshots
        .holdSnapshot({ key: key(), request, uploadedPacks: [...uploadedPacks.values()] })
        .finally(() => (held = false));
      const work = async () => {
        await condition(() => ready !== null || !held);
        if (ready === null) return; // `hold` carries the reason
        progress.begin(ready);
        const bench = onBench(ready.benchQueue);
        await runBatches({ bench, key: key(), progress, ready, uploadedPacks, onChange: show });
        progress.stage = "seal";
        show();
        sealed = await bench.sealBackup({ key: key(), fencingToken: fencingToken as number });
        progress.add("seal", sealed.figures);
      };
      const working = work();
      // Whichever fails first ends the other; both are awaited, so that nothing is left running or unhandled.
      const results = await Promise.allSettled([
        working.catch((error: unknown) => {
          scope.cancel();
          throw error;
        }),
        hold.catch((error: unknown) => {
          // Losing the hold after the seal loses nothing.
          if (sealed === undefined && !isCancellation(error)) scope.cancel();
          if (sealed === undefined) throw error;
        }),
      ]);
      if (sealed !== undefined) return;
      const failures = results
        .filter((result) => result.status === "rejected")
        .map((result) => result.reason as unknown);
      throw (
        failures.find((failure) => !isCancellation(failure)) ??
        failures[0] ??
        ApplicationFailure.nonRetryable("the holder ended early", "SnapshotLost")
      );
    });
    if (sealed === undefined) throw ApplicationFailure.nonRetryable("the backup was not sealed", "Internal");
    return sealed;
  };

  try {
    ({ fencingToken } = await control.authorizeBackup({ key: key(), request, workflowId }));
    let sealed: SealedBackup;
    for (;;) {
      try {
        sealed = await protect();
        break;
      } catch (error) {
        if (!needsNewSnapshot(error, ready !== null) || attempt > maxRestarts) throw error;
        log.warn("starting again from a new snapshot", { attempt, reason: rootCause(error) });
        await sleep(restartPauseMs(attempt));
        attempt += 1;
        progress.restarts += 1;
      }
    }
    const sealedAfterMs = Date.now() - startedMs;
    progress.storedBytes += sealed.manifestBytes;

    if (request.proof !== "none") {
      progress.stage = "verify";
      show();
      const verification = await queued.verifyBackup({ key: key(), sequence: sealed.sequence, proof: request.proof });
      progress.add("verify", verification.figures);
    }

    progress.stage = "report";
    const { rows, rawBytes, reusedBytes, storedBytes, restarts, stages } = progress;
    const { tablesDone, filesDone } = progress.current(Date.now());
    const outcome: BackupOutcome = {
      backupId,
      organizationId: request.organizationId,
      status: sealed.missingFiles > 0 ? "incomplete" : "completed",
      sequence: sealed.sequence,
      rows,
      rawBytes,
      storedBytes,
      reusedBytes,
      tables: tablesDone,
      files: filesDone,
      missingFiles: sealed.missingFiles,
      sealedAfterMs,
      durationMs: Date.now() - startedMs,
      proof: request.proof,
      restarts,
      stages,
    };
    await control.reportBackup({ outcome, manifestHash: sealed.manifestHash, fencingToken });
    setCurrentDetails(renderDetails(request, progress.current(Date.now()), outcome));
    return outcome;
  } catch (error) {
    const { code, message } = describeFailure(error);
    const failed = {
      ...key(),
      code,
      message,
      fencingToken,
      packNames: [...uploadedPacks.keys()],
      stages: progress.stages,
    };
    await CancellationScope.nonCancellable(() => compensation.rollBackBackup(failed));
    setCurrentDetails(`**${code}**: ${message}`);
    throw error;
  }
}

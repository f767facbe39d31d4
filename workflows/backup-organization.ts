// One backup of one organization. The workflow id is fixed (backup/<organization>), so at most one runs at a time; the
// backup's id is the run's id.
//
//   authorize → hold a snapshot → collect → compress → encrypt → upload (batches overlap) → seal → verify → retain → report
//
// The snapshot and the batches live in one worker's memory. When that worker, or the snapshot, is lost, the run starts
// again from a new snapshot; what is already stored is not stored again. Until the manifest is written there is no backup:
// any failure before it removes what was uploaded and lists nothing. From the manifest on the backup exists, and the run
// says so whatever comes: a cancel ends its proof, a failure is recorded beside its sequence.
import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  log,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from "@temporalio/workflow";
import type { BackupOutcome, BackupRequest, ProofLevel } from "../src/domain/backup-request.ts";
import type { SealedBackup } from "../activities/contract.ts";
import { closing, compensation, control, queued } from "./activity-options.ts";
import { ProgressTracker } from "./backup-progress.ts";
import { describeFailure, needsNewSnapshot } from "./failures.ts";
import { batchesStoredSignal, progressQuery, snapshotReadySignal } from "./messages.ts";
import { keyOf, protectOrganization, type BackupRun } from "./protect-organization.ts";
import { renderDetails } from "./render-details.ts";
import { Uploads } from "./uploads.ts";

/** With the pauses between them they outlast a restart of Postgres or of a worker: about a minute. */
const maxRestarts = 7;
const restartPauseMs = (attempt: number): number => Math.min(15_000, 500 * 2 ** attempt);

export async function backupOrganization(request: BackupRequest): Promise<BackupOutcome> {
  const { runId: backupId, workflowId } = workflowInfo();
  const startedMs = Date.now();
  const progress = new ProgressTracker(startedMs);
  const run: BackupRun = {
    backupId,
    request,
    progress,
    uploads: new Uploads(),
    show: () => setCurrentDetails(renderDetails(request, progress.current(Date.now()))),
    attempt: 1,
    fencingToken: null,
    ready: null,
    sealing: "not asked",
  };
  setHandler(progressQuery, () => progress.current(Date.now()));
  setHandler(snapshotReadySignal, (signalled) => {
    if (signalled.attempt === run.attempt) run.ready = signalled;
  });
  setHandler(batchesStoredSignal, ({ attempt, totals, uploads }) => {
    run.uploads.addAll(uploads);
    if (attempt === run.attempt) progress.addTotals(totals);
    run.show();
  });
  upsertSearchAttributes({ BackupId: [backupId] });
  run.show();

  let sealed: SealedBackup | null = null;
  try {
    ({ fencingToken: run.fencingToken } = await control.authorizeBackup({ key: keyOf(run), request, workflowId }));
    progress.add("authorize", { wallMs: Date.now() - startedMs, cpuMs: 0, bytesIn: 0, bytesOut: 0, calls: 1 });
    sealed = await sealOnce(run);
    const sealedAfterMs = Date.now() - startedMs;
    progress.storedBytes += sealed.manifestBytes;
    const proof = await prove(run, sealed);
    progress.stage = "retain";
    if (run.attempt > 1) await removeLeftovers(run);
    progress.stage = "report";
    const outcome = describeOutcome(run, sealed, { proof, sealedAfterMs, durationMs: Date.now() - startedMs });
    const report = { outcome, manifestHash: sealed.manifestHash, fencingToken: run.fencingToken };
    await CancellationScope.nonCancellable(() => closing.reportBackup(report));
    setCurrentDetails(renderDetails(request, progress.current(Date.now()), outcome));
    return outcome;
  } catch (error) {
    const failure = describeFailure(error, sealed?.sequence ?? null);
    await CancellationScope.nonCancellable(() => closeFailed(run, sealed, failure));
    setCurrentDetails(`**${failure.code}**: ${failure.message}`);
    if (isCancellation(error)) throw error;
    throw ApplicationFailure.create({
      type: failure.code,
      message: failure.message,
      nonRetryable: true,
      cause: error instanceof Error ? error : undefined,
    });
  }
}

/** Attempts until one has written the manifest; each from a new snapshot. */
async function sealOnce(run: BackupRun): Promise<SealedBackup> {
  for (;;) {
    try {
      return await protectOrganization(run);
    } catch (error) {
      const already = await findSealed(run);
      if (already !== null) return already;
      if (!needsNewSnapshot(error, run.ready !== null) || run.attempt > maxRestarts) throw error;
      log.warn("starting again from a new snapshot", { attempt: run.attempt, reason: describeFailure(error).code });
      await sleep(restartPauseMs(run.attempt));
      run.attempt += 1;
      run.progress.restarts += 1;
    }
  }
}

/** The answer of a seal can get lost, by a cancel or with its worker: then the store says whether the backup exists. */
async function findSealed(run: BackupRun): Promise<SealedBackup | null> {
  if (run.sealing === "not asked") return null;
  try {
    return await CancellationScope.nonCancellable(() => compensation.findSealedBackup({ key: keyOf(run) }));
  } catch (error) {
    log.warn("whether the manifest was written can't be told", { reason: describeFailure(error).code });
    run.sealing = "unknown";
    return null;
  }
}

/** What was proven: all that was asked, or nothing when the run was cancelled meanwhile. */
async function prove(run: BackupRun, { sequence }: SealedBackup): Promise<ProofLevel> {
  const { request, progress, show } = run;
  const { proof } = request;
  if (proof === "none") return proof;
  progress.stage = "verify";
  show();
  try {
    progress.add("verify", (await queued.verifyBackup({ key: keyOf(run), sequence, proof })).figures);
    return proof;
  } catch (error) {
    if (isCancellation(error)) return "none";
    throw error;
  }
}

/** Packs of abandoned attempts that the manifest does not name. They cost room and nothing else: no reason to fail. */
async function removeLeftovers(run: BackupRun): Promise<boolean> {
  const { uploads, fencingToken, sealing } = run;
  // A seal that may still be at work may name them in a moment.
  if (uploads.names.length === 0 || fencingToken === null || sealing === "unknown") return uploads.names.length === 0;
  try {
    await CancellationScope.nonCancellable(() =>
      compensation.rollBackUploads({ key: keyOf(run), fencingToken, packNames: uploads.names }),
    );
    return true;
  } catch (error) {
    log.warn("packs that no manifest names are left in the store", { reason: describeFailure(error).code });
    return false;
  }
}

async function closeFailed(
  run: BackupRun,
  sealed: SealedBackup | null,
  { code, message }: ReturnType<typeof describeFailure>,
): Promise<void> {
  const note =
    sealed !== null || (await removeLeftovers(run))
      ? ""
      : run.sealing === "unknown"
        ? " Whether its manifest was written before that can't be told; if it is listed, it is whole. Its packs were kept."
        : " Packs that it uploaded could not be removed; no backup names them.";
  await closing.closeFailedBackup({
    key: keyOf(run),
    code,
    message: message + note,
    stages: run.progress.stages,
    sealed: sealed === null ? null : { sequence: sealed.sequence, manifestHash: sealed.manifestHash },
  });
}

function describeOutcome(
  { backupId, request, progress }: BackupRun,
  { sequence, missingFiles, foreignRows }: SealedBackup,
  ended: { proof: ProofLevel; sealedAfterMs: number; durationMs: number },
): BackupOutcome {
  const { rows, rawBytes, reusedBytes, storedBytes, restarts, stages } = progress;
  const { tablesDone, filesDone } = progress.current(Date.now());
  return {
    backupId,
    organizationId: request.organizationId,
    status: missingFiles > 0 ? "incomplete" : "completed",
    sequence,
    rows,
    rawBytes,
    storedBytes,
    reusedBytes,
    tables: tablesDone,
    files: filesDone,
    missingFiles,
    foreignRows,
    restarts,
    stages,
    ...ended,
  };
}

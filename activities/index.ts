// All activities, bound to what they need. A set for each task queue (src/domain/backup-request.ts).
import type { BenchActivities, ControlActivities, QueuedActivities, SnapshotActivities } from "./contract.ts";
import type { ActivityDependencies } from "./dependencies.ts";
import { atTheEdge } from "./edge.ts";
import { collectBatch } from "./collect.ts";
import { compressBatch } from "./compress.ts";
import { countSkippedRuns } from "./count-skips.ts";
import { encryptBatch } from "./encrypt.ts";
import type { EraseActivities, EraseControlActivities } from "./erase-contract.ts";
import { createEraseActivities } from "./erase.ts";
import { createSnapshotActivities } from "./hold-snapshot.ts";
import { releaseBackups, sweepStore } from "./prune.ts";
import type { PruneActivities, PruneControlActivities } from "./prune-contract.ts";
import { findSealedBackup, rollBackUploads } from "./rollback.ts";
import { sealBackup } from "./seal.ts";
import type { NotifyActivities, NotifyControlActivities } from "./notify-contract.ts";
import { sendNotification } from "./notify.ts";
import type { RestoreActivities, RestoreControlActivities } from "./restore-contract.ts";
import { checkRestored } from "./restore/check-restored.ts";
import { chooseBackup } from "./restore/choose-backup.ts";
import { takePastEnded } from "./restore/give-up-ended.ts";
import { putBackFiles, undoFiles } from "./restore/restore-files.ts";
import {
  applyRestore,
  compareRestore,
  dropStaging,
  stageRestore,
  storeDecisions,
  storeRestDecision,
  undoRestore,
} from "./restore/restore-rows.ts";
import { uploadBatch } from "./upload.ts";
import { proveStoredBackup, verifyBackup } from "./verify.ts";
import type { VerifyActivities, VerifyControlActivities } from "./verify-contract.ts";

export function createControlActivities(dependencies: ActivityDependencies) {
  const { jobs, policies, restores, erasures, retention, repository, notifications, log } = dependencies;
  const activities: ControlActivities &
    QueuedActivities &
    RestoreControlActivities &
    VerifyControlActivities &
    EraseControlActivities &
    NotifyControlActivities &
    PruneControlActivities &
    PruneActivities = {
    authorizeBackup: ({ key: { backupId: id, organizationId }, request, workflowId }) =>
      takePastEnded(dependencies, { id, organizationId }, () =>
        jobs.openJob({ jobId: id, organizationId, workflowId, request }),
      ),
    reportBackup: (input) => jobs.completeJob(input),
    readPrerequisites: ({ policyId }) => policies.readPrerequisites(policyId),
    recordSkippedRun: (run) => policies.recordSkippedRun(run),
    readPolicy: ({ policyId }) => policies.readPolicyRequest(policyId),
    closeFailedBackup: ({ key, ...failed }) =>
      jobs.failJob({ jobId: key.backupId, organizationId: key.organizationId, ...failed }),
    verifyBackup: (input) => verifyBackup(dependencies, input),
    readVerificationPolicy: ({ policyId }) => policies.readVerificationPolicy(policyId),
    findSealedBackup: (input) => findSealedBackup(repository, input),
    rollBackUploads: (input) => rollBackUploads(repository, jobs, input),
    openRestore: (input) =>
      takePastEnded(dependencies, { id: input.restoreId, organizationId: input.organizationId }, () =>
        restores.openRestore(input),
      ),
    parkRestore: (input) => restores.parkRestore(input),
    reportRestore: (input) => restores.completeRestore(input),
    recordRefusedRollback: (input) => restores.recordRefusedRollback(input),
    reportRollback: (input) => restores.completeRollback(input),
    openErasure: (order) =>
      takePastEnded(dependencies, { id: order.erasureId, organizationId: order.organizationId }, () =>
        erasures.openErasure(order),
      ),
    async orderErasure(step) {
      // Again, right before nothing can be taken back: a hold may have come since it was looked for.
      await erasures.assertNoHold(step.organizationId);
      await erasures.orderErasure(step);
    },
    releaseErasure: (order) => erasures.releaseLease(order),
    closeErasure: ({ code, message, ...order }) => erasures.closeErasure(order, { code, message }),
    closeNotification: ({ deliveryId, code }) => notifications.ledger.closeFailed(deliveryId, code),
    async noticeOverduePolicies() {
      const made = await notifications.ledger.noticeOverdue();
      await countSkippedRuns(dependencies);
      return { notifications: made };
    },
    isPruneDue: ({ organizationId }) => retention.isPruneDue(organizationId),
    openPrune: (input) =>
      takePastEnded(dependencies, { id: input.pruneId, organizationId: input.organizationId }, () =>
        retention.openPrune(input),
      ),
    releaseBackups: (input) => releaseBackups(dependencies, input),
    sweepStore: (input) => sweepStore(dependencies, input),
    reportPrune: (input) => retention.completePrune(input),
    closeFailedPrune: (input) => retention.failPrune(input),
  };
  return atTheEdge({ ...activities }, log);
}

export function createRestoreActivities(dependencies: ActivityDependencies) {
  const { repository, restores, log } = dependencies;
  const activities: RestoreActivities & VerifyActivities & EraseActivities = {
    chooseBackup: (input) => chooseBackup(repository, input),
    stageRestore: (step) => stageRestore(dependencies, step),
    compareRestore: (step) => compareRestore(dependencies, step),
    storeDecisions: (input) => storeDecisions(dependencies, input),
    storeRestDecision: (input) => storeRestDecision(dependencies, input),
    applyRestore: (input) => applyRestore(dependencies, input),
    putBackFiles: (input) => putBackFiles(dependencies, input),
    checkRestored: (step) => checkRestored(dependencies, step),
    undoRestore: (input) => undoRestore(dependencies, input),
    undoFiles: (input) => undoFiles(dependencies, input),
    dropStaging: (input) => dropStaging(dependencies, input),
    failRestore: (input) => restores.failRestore(input),
    releaseRestore: (input) => restores.releaseLease(input),
    proveBackup: (input) => proveStoredBackup(dependencies, input),
    ...createEraseActivities(dependencies),
  };
  return atTheEdge({ ...activities }, log);
}

export function createNotifyActivities(dependencies: ActivityDependencies) {
  const activities: NotifyActivities = { sendNotification: (order) => sendNotification(dependencies, order) };
  return atTheEdge({ ...activities }, dependencies.log);
}

export function createHoldingActivities(dependencies: ActivityDependencies) {
  const activities: SnapshotActivities = createSnapshotActivities(dependencies);
  return atTheEdge({ ...activities }, dependencies.log);
}

export function createBenchActivities({ bench, jobs, toolVersion, log }: ActivityDependencies) {
  const activities: BenchActivities = {
    collectBatch: (key) => collectBatch(bench, key),
    compressBatch: (key) => compressBatch(bench, key),
    encryptBatch: (key) => encryptBatch(bench, key),
    uploadBatch: (key) => uploadBatch(bench, key),
    sealBackup: (input) => sealBackup(bench, jobs, toolVersion, input),
  };
  return atTheEdge({ ...activities }, log);
}

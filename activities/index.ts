// All activities, bound to what they need. Three sets for three task queues (src/domain/backup-request.ts).
import type { BenchActivities, ControlActivities, QueuedActivities, SnapshotActivities } from "./contract.ts";
import type { ActivityDependencies } from "./dependencies.ts";
import { atTheEdge } from "./edge.ts";
import { collectBatch } from "./collect.ts";
import { compressBatch } from "./compress.ts";
import { encryptBatch } from "./encrypt.ts";
import { createSnapshotActivities } from "./hold-snapshot.ts";
import { findSealedBackup, rollBackUploads } from "./rollback.ts";
import { sealBackup } from "./seal.ts";
import { uploadBatch } from "./upload.ts";
import { verifyBackup } from "./verify.ts";

export function createControlActivities({ ledger, repository, log }: ActivityDependencies) {
  const activities: ControlActivities & QueuedActivities = {
    authorizeBackup: ({ key, request, workflowId }) =>
      ledger.openJob({ jobId: key.backupId, organizationId: key.organizationId, workflowId, request }),
    reportBackup: (input) => ledger.completeJob(input),
    readPolicy: ({ policyId }) => ledger.readPolicyRequest(policyId),
    closeFailedBackup: ({ key, ...failed }) =>
      ledger.failJob({ jobId: key.backupId, organizationId: key.organizationId, ...failed }),
    verifyBackup: (input) => verifyBackup(repository, ledger, input),
    findSealedBackup: (input) => findSealedBackup(repository, input),
    rollBackUploads: (input) => rollBackUploads(repository, ledger, input),
  };
  return atTheEdge({ ...activities }, log);
}

export function createHoldingActivities(dependencies: ActivityDependencies) {
  const activities: SnapshotActivities = createSnapshotActivities(dependencies);
  return atTheEdge({ ...activities }, dependencies.log);
}

export function createBenchActivities({ bench, ledger, toolVersion, log }: ActivityDependencies) {
  const activities: BenchActivities = {
    collectBatch: (key) => collectBatch(bench, key),
    compressBatch: (key) => compressBatch(bench, key),
    encryptBatch: (key) => encryptBatch(bench, key),
    uploadBatch: (key) => uploadBatch(bench, key),
    sealBackup: (input) => sealBackup(bench, ledger, toolVersion, input),
  };
  return atTheEdge({ ...activities }, log);
}

// Every endpoint. What is not in this list does not exist: not in the router, not in /openapi.json, not in the tests.
import type { Endpoint } from "./endpoint.ts";
import { listAudit } from "./endpoints/audit.ts";
import { listBackups, readBackup, startBackup } from "./endpoints/backups.ts";
import { downloadObject, startDownload } from "./endpoints/downloads.ts";
import { orderErasure, previewErasure, readErasure } from "./endpoints/erasures.ts";
import { cancelJob, listJobs, readJob, watchJob } from "./endpoints/jobs.ts";
import { listOrganizations, readOrganization, readStatistics } from "./endpoints/organizations.ts";
import {
  createNotificationChannel,
  deleteNotificationChannel,
  listNotificationChannels,
  listNotificationDeliveries,
  testNotificationChannel,
} from "./endpoints/notifications.ts";
import { changeNotificationSecret } from "./endpoints/notification-secrets.ts";
import {
  createPolicyEndpoint,
  deletePolicy,
  listPolicies,
  pausePolicyEndpoint,
  readPolicy,
  replacePolicy,
  resumePolicyEndpoint,
} from "./endpoints/policies.ts";
import { readReport, readReportPage, readReportPdf } from "./endpoints/reports.ts";
import { readRestoreRows } from "./endpoints/restore-rows.ts";
import {
  approveRestoreEndpoint,
  cancelRestoreEndpoint,
  decideRestoreEndpoint,
  finishDryRunEndpoint,
  rollBackRestore,
} from "./endpoints/restore-steps.ts";
import { listRestores, readRestore, startRestore } from "./endpoints/restores.ts";
import {
  liftLegalHoldEndpoint,
  placeLegalHoldEndpoint,
  previewRetentionEndpoint,
  readLegalHoldEndpoint,
} from "./endpoints/retention.ts";
import { previewPolicySchedule } from "./endpoints/schedule-preview.ts";
import { closeSession, openSession, readSession } from "./endpoints/session.ts";
import { cancelTriggerEndpoint, listTriggers, readTrigger, triggerBackup } from "./endpoints/triggers.ts";
import { listVerifications, readVerification, startVerification } from "./endpoints/verifications.ts";

export const endpoints: readonly Endpoint[] = [
  openSession,
  readSession,
  closeSession,
  listOrganizations,
  readOrganization,
  readStatistics,
  previewRetentionEndpoint,
  readLegalHoldEndpoint,
  placeLegalHoldEndpoint,
  liftLegalHoldEndpoint,
  listPolicies,
  createPolicyEndpoint,
  readPolicy,
  replacePolicy,
  deletePolicy,
  pausePolicyEndpoint,
  resumePolicyEndpoint,
  previewPolicySchedule,
  listBackups,
  startBackup,
  readBackup,
  startDownload,
  downloadObject,
  listTriggers,
  triggerBackup,
  readTrigger,
  cancelTriggerEndpoint,
  listJobs,
  readJob,
  cancelJob,
  watchJob,
  listRestores,
  startRestore,
  readRestore,
  readRestoreRows,
  approveRestoreEndpoint,
  decideRestoreEndpoint,
  finishDryRunEndpoint,
  cancelRestoreEndpoint,
  rollBackRestore,
  listVerifications,
  listNotificationChannels,
  createNotificationChannel,
  changeNotificationSecret,
  deleteNotificationChannel,
  testNotificationChannel,
  listNotificationDeliveries,
  previewErasure,
  orderErasure,
  readErasure,
  startVerification,
  readVerification,
  readReport,
  readReportPage,
  readReportPdf,
  listAudit,
];

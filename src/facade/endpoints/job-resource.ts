// A job as callers see it: its row, and while it runs Temporal's own word on how far it is.
import { z } from "zod";
import { askProgress, describeRun, type JobRun } from "../../client/job-runs.ts";
import { findJob, type JobDetails } from "../../control/job-pages.ts";
import { backupWorkflowId } from "../../domain/backup-request.ts";
import { BackupError } from "../../domain/errors.ts";
import type { BackupProgress } from "../../domain/progress.ts";
import type { Call } from "../endpoint.ts";

export const jobStatuses = ["queued", "running", "completed", "incomplete", "failed", "cancelled"] as const;

const progressSchema = z
  .object({
    stage: z.string(),
    percent: z.number(),
    rows: z.number(),
    rawBytes: z.number(),
    storedBytes: z.number(),
    tablesDone: z.number(),
    tablesTotal: z.number(),
    filesDone: z.number(),
    filesTotal: z.number(),
    bytesPerSecond: z.number(),
    secondsLeft: z.number().nullable(),
    restarts: z.number(),
  })
  .loose()
  .meta({ id: "Progress" });

export const jobSchema = z
  .object({
    id: z.string(),
    organizationId: z.string(),
    status: z.enum(jobStatuses),
    trigger: z.string().nullable(),
    requestedBy: z.string().nullable(),
    startedAt: z.string(),
    finishedAt: z.string().nullable(),
    sequence: z.number().nullable(),
    rows: z.number().nullable(),
    rawBytes: z.number().nullable(),
    storedBytes: z.number().nullable(),
    releasedAt: z.string().nullable().meta({ description: "When retention let the backup go" }),
    proven: z.array(z.string()),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    progress: progressSchema.nullable(),
    links: z.object({
      self: z.string(),
      events: z.string(),
      backup: z.string().nullable(),
      temporal: z.string().nullable(),
    }),
  })
  .loose()
  .meta({ id: "Job" });

type JobCall = Pick<Call<never, never, never>, "run" | "client" | "dependencies" | "organizationId">;

export function describeJob(call: JobCall, job: JobDetails, progress: BackupProgress | null = null) {
  const { errorCode, errorMessage, workflowId, ...rest } = job;
  return {
    ...rest,
    error: errorCode === null ? null : { code: errorCode, message: errorMessage ?? "" },
    progress,
    links: linksOf(call, job.id, workflowId, job.sequence !== null && job.releasedAt === null),
  };
}

/** The run that made a backup which is still kept. @throws BackupNotFound */
export async function readBackupJob(
  call: Pick<JobCall, "run">,
  backupId: string,
): Promise<JobDetails & { sequence: number }> {
  const job = await call.run((bound) => findJob(bound, backupId));
  if (job === null || job.sequence === null || job.releasedAt !== null)
    throw new BackupError("BackupNotFound", "There is no such backup.");
  return { ...job, sequence: job.sequence };
}

function linksOf(call: JobCall, jobId: string, workflowId: string, hasBackup: boolean) {
  const ui = call.dependencies.temporalUiUrl;
  return {
    self: `/api/admin/jobs/${jobId}`,
    events: `/api/admin/jobs/${jobId}/events`,
    backup: hasBackup ? `/api/admin/backup/${jobId}` : null,
    temporal:
      ui === null
        ? null
        : `${ui}/namespaces/${call.client.options.namespace}/workflows/${encodeURIComponent(workflowId)}/${jobId}/history`,
  };
}

/** One job with its progress. @throws JobNotFound */
export async function readJobResource(call: JobCall, jobId: string) {
  const job = await call.run((bound) => findJob(bound, jobId));
  if (job !== null) {
    if (job.status !== "running") return describeJob(call, job);
    const progress = await askProgress(call.client, job.organizationId, jobId);
    return describeJob(call, job, progress);
  }
  // Asked for, but no worker has begun it. The workflow's id is made of the organization's, so this looks at no other's.
  const run = call.organizationId === null ? null : await describeRun(call.client, call.organizationId, jobId);
  if (run === null) throw new BackupError("JobNotFound", "There is no such job.");
  return describeQueued(call, jobId, run);
}

function describeQueued(call: JobCall, jobId: string, run: JobRun) {
  const organizationId = call.organizationId as string;
  const status = run.state === "running" ? "queued" : run.state === "completed" ? "failed" : run.state;
  return {
    id: jobId,
    organizationId,
    status,
    trigger: null,
    requestedBy: null,
    startedAt: run.startedAt,
    finishedAt: null,
    sequence: null,
    rows: null,
    rawBytes: null,
    storedBytes: null,
    releasedAt: null,
    proven: [],
    error: null,
    progress: null,
    links: linksOf(call, jobId, backupWorkflowId(organizationId), false),
  };
}

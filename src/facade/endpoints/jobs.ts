// Jobs: every run, whatever became of it.
import { z } from "zod";
import { cancelRun } from "../../client/job-runs.ts";
import { findJob, listJobPage } from "../../control/job-pages.ts";
import { BackupError } from "../../domain/errors.ts";
import { defineEndpoint } from "../endpoint.ts";
import { cursor, id, limit, organizationId, organizationQuery, timeCursor } from "../input.ts";
import { readPage } from "../page.ts";
import { streamJob } from "../job-events.ts";
import { describeJob, jobSchema, readJobResource } from "./job-resource.ts";

const statuses = ["running", "completed", "incomplete", "failed", "cancelled"] as const;
/** Of one event, which is how readers of the document take the schema of a stream. */
const eventSchema = z.object({
  event: z.enum(["progress", "end"]),
  id: z.string(),
  data: z
    .string()
    .meta({ description: "JSON: the progress, or the job as it ended", contentMediaType: "application/json" }),
});
const jobId = z.strictObject({ jobId: id });

export const listJobs = defineEndpoint({
  id: "listJobs",
  method: "get",
  path: "/api/admin/jobs",
  action: "backup.read",
  scope: "any",
  summary: "Jobs, newest first",
  query: z.strictObject({
    organizationId: organizationId.optional(),
    status: z.enum(statuses).optional(),
    trigger: z.enum(["schedule", "manual", "cli", "restore"]).optional(),
    policyId: id.optional(),
    limit,
    cursor,
  }),
  success: {
    status: 200,
    description: "One page",
    schema: z.object({ jobs: z.array(jobSchema), next: z.string().nullable() }),
  },
  async handle(call) {
    const { status, trigger, policyId } = call.query;
    const filter = {
      organizationId: call.organizationId,
      ...(status !== undefined && { status: [status] }),
      ...(trigger !== undefined && { trigger }),
      ...(policyId !== undefined && { policyId }),
    };
    const { page, next } = await readPage(call.query, {
      cursor: timeCursor,
      read: (after, most) => call.run((bound) => listJobPage(bound, { ...filter, after, limit: most })),
      positionOf: (row) => ({ at: row.startedAt, id: row.id }),
    });
    return { status: 200, body: { jobs: page.map((job) => describeJob(call, job)), next } };
  },
});

export const readJob = defineEndpoint({
  id: "readJob",
  method: "get",
  path: "/api/admin/jobs/{jobId}",
  action: "backup.read",
  scope: "any",
  summary: "One job, with its progress while it runs",
  params: jobId,
  query: organizationQuery,
  success: { status: 200, description: "The job", schema: jobSchema },
  refusals: ["JobNotFound"],
  handle: async (call) => ({ status: 200, body: await readJobResource(call, call.params.jobId) }),
});

export const cancelJob = defineEndpoint({
  id: "cancelJob",
  method: "post",
  path: "/api/admin/jobs/{jobId}/cancel",
  action: "backup.cancel",
  scope: "organization",
  summary: "Cancel a running job; nothing of it will be listed",
  params: jobId,
  query: organizationQuery,
  success: { status: 202, description: "It is told to end", schema: jobSchema, location: true },
  refusals: ["JobNotFound", "JobFinished"],
  async handle(call) {
    const { jobId: wanted } = call.params;
    const before = await readJobResource(call, wanted);
    const isOver = new BackupError("JobFinished", "The job is over already.");
    if (before.status !== "running" && before.status !== "queued") throw isOver;
    if (!(await cancelRun(call.client, call.organizationId as string, wanted))) throw isOver;
    return { status: 202, body: before, headers: { Location: `/api/admin/jobs/${wanted}` } };
  },
});

export const watchJob = defineEndpoint({
  id: "watchJob",
  method: "get",
  path: "/api/admin/jobs/{jobId}/events",
  action: "backup.read",
  scope: "any",
  summary: "A job's progress as server-sent events",
  params: jobId,
  query: organizationQuery,
  success: {
    status: 200,
    description: "Events `progress` while it runs, then one `end` with the job; ids work with Last-Event-ID",
    contentType: "text/event-stream",
    schema: eventSchema,
  },
  refusals: ["JobNotFound"],
  async handle(call) {
    const { jobId: wanted } = call.params;
    const job = await readJobResource(call, wanted);
    return {
      status: 200,
      headers: {
        "Content-Type": "text/event-stream",
        "X-Accel-Buffering": "no",
        Connection: "keep-alive",
      },
      stream: (response) =>
        streamJob(response, {
          watch: call.dependencies.watch,
          organizationId: job.organizationId,
          jobId: wanted,
          lastEventId: call.headers.lastEventId,
          signal: call.signal,
          readEnd: async () => {
            const ended = await call.run((bound) => findJob(bound, wanted));
            return ended === null ? await readJobResource(call, wanted) : describeJob(call, ended);
          },
        }),
    };
  },
});

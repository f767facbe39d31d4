// Backups: asking for one, listing them, looking into one.
import { z } from "zod";
import { askTemporal } from "../../client/ask-temporal.ts";
import { requestBackup } from "../../client/start-backup.ts";
import { listJobPage } from "../../control/job-pages.ts";
import { proofLevels } from "../../domain/backup-request.ts";
import { defineEndpoint, type Call } from "../endpoint.ts";
import { cursor, id, limit, lineOfText, organizationId, organizationQuery, purpose, timeCursor } from "../input.ts";
import { readPage } from "../page.ts";
import { ValueError } from "../problem.ts";
import { describeJob, jobSchema, readBackupJob } from "./job-resource.ts";
import { assertOrganization } from "./organizations.ts";

export const dataSetsSchema = z
  .array(lineOfText(100))
  .min(1)
  .max(100)
  .nullable()
  .default(null)
  .meta({ description: "Null: all of them" });
export const proofSchema = z.enum([...proofLevels]).default("content");

export const startedSchema = z
  .object({
    jobId: z.string(),
    joined: z.boolean().meta({ description: "A backup was under way already: this is that one" }),
    links: z.object({ job: z.string(), events: z.string() }),
  })
  .meta({ id: "StartedBackup" });

/** @throws ValueInvalid */
export function assertDataSets(
  { dependencies }: Pick<Call<never, never, never>, "dependencies">,
  names: readonly string[] | null,
): void {
  if ((names ?? []).some((name) => !dependencies.dataSets.includes(name)))
    throw new ValueError([{ field: "body.dataSets", message: `must be of: ${dependencies.dataSets.join(", ")}` }]);
}

export const listBackups = defineEndpoint({
  id: "listBackups",
  method: "get",
  path: "/api/admin/backup",
  action: "backup.read",
  scope: "any",
  summary: "Backups, newest first",
  query: z.strictObject({ organizationId: organizationId.optional(), limit, cursor }),
  success: {
    status: 200,
    description: "One page",
    schema: z.object({ backups: z.array(jobSchema), next: z.string().nullable() }),
  },
  async handle(call) {
    const filter = { organizationId: call.organizationId, backupsOnly: true };
    const { page, next } = await readPage(call.query, {
      cursor: timeCursor,
      read: (after, most) => call.run((bound) => listJobPage(bound, { ...filter, after, limit: most })),
      positionOf: (row) => ({ at: row.startedAt, id: row.id }),
    });
    return { status: 200, body: { backups: page.map((job) => describeJob(call, job)), next } };
  },
});

export const startBackup = defineEndpoint({
  id: "startBackup",
  method: "post",
  path: "/api/admin/backup",
  action: "backup.start",
  scope: "organization",
  summary: "Back up the organization now",
  body: z
    .strictObject({
      organizationId: organizationId.optional(),
      dataSets: dataSetsSchema,
      proof: proofSchema,
      purpose: purpose.optional(),
    })
    .meta({ id: "BackupBody" }),
  limit: "backup",
  success: { status: 202, description: "It runs", schema: startedSchema, location: true },
  refusals: ["OrganizationNotFound"],
  async handle(call) {
    const organization = call.organizationId as string;
    const { dataSets, proof } = call.body;
    assertDataSets(call, dataSets);
    await assertOrganization(call, organization);
    const { backupId, joined } = await askTemporal(call.client, () =>
      requestBackup(call.client, {
        organizationId: organization,
        dataSets,
        proof,
        trigger: "manual",
        requestedBy: call.principal.subject,
      }),
    );
    return startedAnswer(backupId, joined);
  },
});

export function startedAnswer(jobId: string, joined: boolean) {
  const job = `/api/admin/jobs/${jobId}`;
  return { status: 202, body: { jobId, joined, links: { job, events: `${job}/events` } }, headers: { Location: job } };
}

const contentsSchema = z
  .object({
    job: jobSchema,
    contents: z
      .object({
        takenAt: z.string().meta({ description: "The moment that the backup shows" }),
        complete: z.boolean(),
        manifestHash: z.string(),
        tables: z.array(
          z.object({
            table: z.string(),
            dataSet: z.string(),
            rows: z.number(),
            rawBytes: z.number(),
            checksum: z.string(),
          }),
        ),
        files: z.number(),
        fileBytes: z.number(),
        missingFiles: z.number(),
        storedBytes: z.number(),
      })
      .loose(),
  })
  .meta({ id: "Backup" });

export const readBackup = defineEndpoint({
  id: "readBackup",
  method: "get",
  path: "/api/admin/backup/{backupId}",
  action: "backup.read",
  scope: "any",
  summary: "What one backup holds, read from the store",
  params: z.strictObject({ backupId: id }),
  query: organizationQuery,
  success: { status: 200, description: "The backup", schema: contentsSchema },
  refusals: ["BackupNotFound"],
  async handle(call) {
    const { backupId } = call.params;
    const job = await readBackupJob(call, backupId);
    const { objects: _objects, ...contents } = await call.dependencies.backups.describe(job.organizationId, {
      backupId,
      sequence: job.sequence,
    });
    return { status: 200, body: { job: describeJob(call, job), contents } };
  },
});

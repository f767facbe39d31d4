// Downloads: the sealed objects of a backup, as they lie in the store, each by a short-lived link. Together with
// BACKUP_ENCRYPTION_KEY they are enough to recover (put each under its key into a folder); without it they tell nothing.
import { z } from "zod";
import { holdBoundBackup } from "../../control/backup-reads.ts";
import { findJob } from "../../control/job-pages.ts";
import { BackupError } from "../../domain/errors.ts";
import { readTicket, signTicket } from "../download-ticket.ts";
import { defineEndpoint } from "../endpoint.ts";
import { id, organizationId, purpose } from "../input.ts";

const linkMs = 10 * 60_000;

export const startDownload = defineEndpoint({
  id: "startDownload",
  method: "post",
  path: "/api/admin/backup/{backupId}/download",
  action: "backup.download",
  scope: "organization",
  summary: "Links to the sealed objects of a backup, valid for ten minutes",
  params: z.strictObject({ backupId: id }),
  body: z.strictObject({ organizationId: organizationId.optional(), purpose }).meta({ id: "DownloadBody" }),
  success: {
    status: 200,
    description: "The objects, each with its link",
    schema: z.object({
      expiresAt: z.string(),
      objects: z.array(
        z.object({ key: z.string(), sizeBytes: z.number(), sha256: z.string().nullable(), url: z.string() }),
      ),
    }),
  },
  refusals: ["BackupNotFound"],
  async handle(call) {
    const { backupId } = call.params;
    const job = await call.run((bound) => findJob(bound, backupId));
    if (job === null || job.sequence === null || job.releasedAt !== null)
      throw new BackupError("BackupNotFound", "There is no such backup.");
    const { backups, signingKey } = call.dependencies;
    const organization = job.organizationId;
    // So long as the links are valid, retention leaves the backup alone.
    const { sequence } = job;
    const reader = `download/${call.requestId}`;
    if (!(await call.run((bound) => holdBoundBackup(bound, { sequence, reader, seconds: linkMs / 1000 + 60 }))))
      throw new BackupError("BackupNotFound", "Retention has let this backup go.");
    const contents = await backups.describe(organization, { backupId, sequence: job.sequence });
    const expiresAtMs = Date.now() + linkMs;
    const objects = [...(await backups.listKeys(organization)), ...contents.objects].map((object) => ({
      ...object,
      url: `/api/admin/downloads/${signTicket(signingKey, { organizationId: organization, objectKey: object.key, expiresAtMs })}`,
    }));
    return { status: 200, body: { expiresAt: new Date(expiresAtMs).toISOString(), objects } };
  },
});

export const downloadObject = defineEndpoint({
  id: "downloadObject",
  method: "get",
  path: "/api/admin/downloads/{ticket}",
  action: "backup.download",
  scope: "organization",
  summary: "One sealed object, by its link",
  whenErased: "refused",
  params: z.strictObject({ ticket: z.string().regex(/^[\w-]{1,2000}\.[\w-]{43}$/, "must be a link's ticket") }),
  success: { status: 200, description: "Its bytes", contentType: "application/octet-stream" },
  refusals: ["ObjectMissing"],
  async handle(call) {
    const { backups, signingKey } = call.dependencies;
    const at = { organizationId: call.organizationId as string, nowMs: Date.now() };
    const ticket = readTicket(signingKey, call.params.ticket, at);
    if (ticket === null) throw new BackupError("ObjectMissing", "The link is not valid, or not any more.");
    const bytes = await backups.readObject(ticket.objectKey, call.signal);
    return {
      status: 200,
      headers: {
        "Content-Type": "application/octet-stream",
        "Content-Length": String(bytes.length),
        "Content-Disposition": "attachment",
      },
      stream: async (response) => void response.end(bytes),
    };
  },
});

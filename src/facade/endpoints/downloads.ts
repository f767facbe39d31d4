// Downloads: the sealed objects of a backup, as they lie in the store, each by a short-lived link. Together with
// BACKUP_ENCRYPTION_KEY they are enough to recover: put each under its key into a folder, and `recover` reads that as it
// reads the store. Without the key they tell nothing. The facade has no way to give out readable rows.
//
// A link goes to the facade, and wants the token as well; or, where the store can, to the store itself, which is faster and
// spares the facade, and which whoever has the link can use until it ends.
import { z } from "zod";
import { holdBoundBackup } from "../../control/backup-reads.ts";
import { BackupError } from "../../domain/errors.ts";
import { readTicket, signTicket } from "../download-ticket.ts";
import { defineEndpoint } from "../endpoint.ts";
import { id, organizationId, purpose } from "../input.ts";
import { ValueError } from "../problem.ts";
import type { StoredBackupObject } from "../stored-backups.ts";
import { readBackupJob } from "./job-resource.ts";

const linkMs = 10 * 60_000;

export const startDownload = defineEndpoint({
  id: "startDownload",
  method: "post",
  path: "/api/admin/backup/{backupId}/download",
  action: "backup.download",
  scope: "organization",
  summary: "Links to the sealed objects of a backup, valid for ten minutes",
  params: z.strictObject({ backupId: id }),
  body: z
    .strictObject({
      organizationId: organizationId.optional(),
      from: z.enum(["facade", "store"]).default("facade").meta({
        description: "Where the links lead; `store` only where backups lie in S3 or a compatible store",
      }),
      purpose,
    })
    .meta({ id: "DownloadBody" }),
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
    const job = await readBackupJob(call, backupId);
    const { backups, signingKey } = call.dependencies;
    const organization = job.organizationId;
    // So long as the links are valid, retention leaves the backup alone.
    const { sequence } = job;
    const reader = `download/${call.requestId}`;
    if (!(await call.run((bound) => holdBoundBackup(bound, { sequence, reader, seconds: linkMs / 1000 + 60 }))))
      throw new BackupError("BackupNotFound", "Retention has let this backup go.");
    const contents = await backups.describe(organization, { backupId, sequence: job.sequence });
    const signLink = call.body.from === "store" ? await backups.signLink() : null;
    if (signLink === null && call.body.from === "store")
      throw new ValueError([{ field: "body.from", message: "this store makes no links; leave it out" }]);
    const expiresAtMs = Date.now() + linkMs;
    const urlOf = (objectKey: string): string =>
      `/api/admin/downloads/${signTicket(signingKey, { organizationId: organization, objectKey, expiresAtMs })}`;
    const objects: (StoredBackupObject & { url: string })[] = [];
    for (const object of [...(await backups.listKeys(organization)), ...contents.objects])
      objects.push({ ...object, url: (await signLink?.(object.key, linkMs / 1000)) ?? urlOf(object.key) });
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

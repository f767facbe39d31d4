// Backups asked for by hand, at once or at a time, and their history.
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { askTemporal } from "../../client/ask-temporal.ts";
import { requestBackup } from "../../client/start-backup.ts";
import { cancelTrigger, describeTrigger, startTriggerAt } from "../../client/start-trigger.ts";
import { getPolicy } from "../../control/policies.ts";
import { findTrigger, listTriggers as listTriggerRows, recordTrigger, type Trigger } from "../../control/triggers.ts";
import { backupWorkflowId, type BackupRequest } from "../../domain/backup-request.ts";
import { BackupError } from "../../domain/errors.ts";
import { defineEndpoint, type Call } from "../endpoint.ts";
import { cursor, id, limit, organizationId, organizationQuery, purpose, timeCursor } from "../input.ts";
import { readPage } from "../page.ts";
import { ValueError } from "../problem.ts";
import { assertDataSets, dataSetsSchema, proofSchema } from "./backups.ts";
import { assertOrganization } from "./organizations.ts";

const triggerSchema = z
  .object({
    id: z.string(),
    organizationId: z.string(),
    policyId: z.string().nullable(),
    jobId: z.string().nullable(),
    dataSets: z.array(z.string()).nullable(),
    proof: z.string(),
    runAt: z.string(),
    purpose: z.string(),
    requestedBy: z.string(),
    createdAt: z.string(),
  })
  .meta({ id: "Trigger" });
const triggerId = z.strictObject({ triggerId: id });

const furthestMs = 366 * 24 * 3_600_000;

const describe = ({ workflowId: _workflowId, ...trigger }: Trigger) => trigger;

export const listTriggers = defineEndpoint({
  id: "listTriggers",
  method: "get",
  path: "/api/admin/backup/trigger",
  action: "backup.read",
  scope: "any",
  summary: "Backups that were asked for by hand, newest first",
  query: z.strictObject({ organizationId: organizationId.optional(), limit, cursor }),
  success: {
    status: 200,
    description: "One page",
    schema: z.object({ triggers: z.array(triggerSchema), next: z.string().nullable() }),
  },
  async handle(call) {
    const filter = { organizationId: call.organizationId };
    const { page, next } = await readPage(call.query, {
      cursor: timeCursor,
      read: (after, most) => call.run((bound) => listTriggerRows(bound, { ...filter, after, limit: most })),
      positionOf: (row) => ({ at: row.createdAt, id: row.id }),
    });
    return { status: 200, body: { triggers: page.map(describe), next } };
  },
});

export const triggerBackup = defineEndpoint({
  id: "triggerBackup",
  method: "post",
  path: "/api/admin/backup/trigger",
  action: "backup.start",
  scope: "organization",
  summary: "Run a policy, or a backup of its own kind, now or at a time",
  body: z
    .strictObject({
      organizationId: organizationId.optional(),
      policyId: id.optional().meta({ description: "Takes data sets and proof from the policy" }),
      dataSets: dataSetsSchema,
      proof: proofSchema,
      at: z.iso
        .datetime({ offset: true })
        .optional()
        .meta({ description: "Unset: now", example: "2027-01-31T02:00:00Z" }),
      purpose: purpose.default("asked for by hand"),
    })
    .meta({ id: "TriggerBody" }),
  limit: "trigger",
  success: { status: 202, description: "It runs, or will", schema: triggerSchema, location: true },
  refusals: ["OrganizationNotFound", "PolicyNotFound"],
  async handle(call) {
    const { policyId, at } = call.body;
    const organization = call.organizationId as string;
    const runAt = at === undefined ? null : new Date(at);
    if (runAt !== null && (runAt.getTime() < Date.now() - 60_000 || runAt.getTime() > Date.now() + furthestMs))
      throw new ValueError([{ field: "body.at", message: "must be a time to come, within a year" }]);
    const asked = await whatIsAsked(call, policyId);
    assertDataSets(call, asked.dataSets);
    await assertOrganization(call, organization);
    const request: BackupRequest = {
      organizationId: organization,
      policyId: policyId ?? null,
      trigger: "manual",
      requestedBy: call.principal.subject,
      ...asked,
    };
    const trigger = await start(call, request, runAt);
    return {
      status: 202,
      body: describe(trigger),
      headers: { Location: `/api/admin/backup/trigger/${trigger.id}` },
    };
  },
});

type TriggerCall = Pick<Call<never, never, never>, "run" | "client" | "principal"> & {
  readonly body: {
    readonly dataSets: readonly string[] | null;
    readonly proof: BackupRequest["proof"];
    readonly purpose: string;
  };
};

/** @throws PolicyNotFound */
async function whatIsAsked(
  call: TriggerCall,
  policyId: string | undefined,
): Promise<Pick<BackupRequest, "dataSets" | "proof">> {
  if (policyId === undefined) return { dataSets: call.body.dataSets, proof: call.body.proof };
  const { dataSets, proof } = await call.run((bound) => getPolicy(bound, policyId));
  return { dataSets, proof };
}

/** The row first, in a transaction that is committed when Temporal has taken it: no trigger without a run, none unlisted. */
async function start(call: TriggerCall, request: BackupRequest, runAt: Date | null): Promise<Trigger> {
  const { organizationId: organization, policyId, dataSets, proof } = request;
  const triggerRow = randomUUID();
  const common = {
    id: triggerRow,
    organizationId: organization,
    policyId,
    dataSets,
    proof,
    purpose: call.body.purpose,
  };
  const requestedBy = call.principal.subject;
  if (runAt !== null) {
    return await call.run(async (bound) => {
      const { workflowId } = await startTriggerAt(call.client, triggerRow, request, runAt);
      return await recordTrigger(bound, {
        ...common,
        jobId: null,
        runAt: runAt.toISOString(),
        requestedBy,
        workflowId,
      });
    });
  }
  return await call.run(async (bound) => {
    const { backupId } = await askTemporal(call.client, () => requestBackup(call.client, request));
    const now = new Date().toISOString();
    const workflowId = backupWorkflowId(organization);
    return await recordTrigger(bound, { ...common, jobId: backupId, runAt: now, requestedBy, workflowId });
  });
}

export const readTrigger = defineEndpoint({
  id: "readTrigger",
  method: "get",
  path: "/api/admin/backup/trigger/{triggerId}",
  action: "backup.read",
  scope: "any",
  summary: "One trigger, and whether it has run",
  params: triggerId,
  query: organizationQuery,
  success: {
    status: 200,
    description: "The trigger",
    schema: triggerSchema.extend({
      state: z.enum(["waiting", "running", "completed", "failed", "cancelled", "forgotten"]).nullable().meta({
        description: "Null for one that ran at once: its job says how it went",
      }),
    }),
  },
  refusals: ["JobNotFound"],
  async handle(call) {
    const trigger = await mustFind(call, call.params.triggerId);
    const state =
      trigger.jobId === null ? await describeTrigger(call.client, trigger.workflowId, new Date(trigger.runAt)) : null;
    return { status: 200, body: { ...describe(trigger), state } };
  },
});

export const cancelTriggerEndpoint = defineEndpoint({
  id: "cancelTrigger",
  method: "delete",
  path: "/api/admin/backup/trigger/{triggerId}",
  action: "backup.cancel",
  scope: "organization",
  summary: "Cancel a trigger before its time",
  params: triggerId,
  query: organizationQuery,
  success: { status: 204, description: "It will not run" },
  refusals: ["JobNotFound", "JobFinished"],
  async handle(call) {
    const trigger = await mustFind(call, call.params.triggerId);
    const isCancelled =
      trigger.jobId === null && (await cancelTrigger(call.client, trigger.workflowId, new Date(trigger.runAt)));
    if (!isCancelled)
      throw new BackupError("JobFinished", "It has run, or runs; a running job is cancelled by itself.");
    return { status: 204 };
  },
});

async function mustFind(call: Pick<Call<never, never, never>, "run">, wanted: string): Promise<Trigger> {
  const trigger = await call.run((bound) => findTrigger(bound, wanted));
  if (trigger === null) throw new BackupError("JobNotFound", "There is no such trigger.");
  return trigger;
}

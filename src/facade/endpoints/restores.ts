// Restores: ordered here, carried out by their workflow. An organization's own roles restore it into itself; as another
// organization it is restored by a platform admin only, and into another database from the command line, because neither
// is the organization's own.
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { askTemporal } from "../../client/ask-temporal.ts";
import {
  approveRestore,
  cancelRestore,
  decideConflicts,
  decideRemainingConflicts,
  finishDryRun,
  readRestoreProgress,
  requestRestore,
  requestRollback,
} from "../../client/start-restore.ts";
import { createRestore, getRestore, listRestores as listRestoreRows, type RestoreRow } from "../../control/restores.ts";
import { BackupError } from "../../domain/errors.ts";
import { maxDecisionsPerUpdate, restoreDefaults, type BackupChoice } from "../../domain/restore-run.ts";
import { defineEndpoint, type Call } from "../endpoint.ts";
import {
  cursor,
  decodeCursor,
  encodeCursor,
  id,
  limit,
  lineOfText,
  organizationId,
  purpose,
  textOf,
} from "../input.ts";
import { ValueError } from "../problem.ts";
import { assertDataSets } from "./backups.ts";

const strategies = ["overwrite", "skip", "merge", "prompt"] as const;
const decision = z.enum(["take backup", "keep live", "merge"]);
const restoreId = z.strictObject({ restoreId: id });
const organizationQuery = z.strictObject({ organizationId: organizationId.optional() });
const cursorSchema = z.strictObject({ at: z.iso.datetime({ offset: true }), id });

const tableName = textOf(127)
  .regex(/^[^.]{1,63}\.[^.]{1,63}$/u, "must be schema.table")
  .refine((text) => !/\p{Cc}/u.test(text), "must be schema.table, without control characters");

const backupSchema = z
  .union([
    z.literal("latest"),
    z.strictObject({ backupId: id }),
    z.strictObject({ at: z.iso.datetime({ offset: true }) }),
  ])
  .default("latest")
  .meta({
    description:
      "`latest`, a backup's id, or the newest one at or before a moment. One made right before a restore is had by its id only",
  });

const bodySchema = z
  .strictObject({
    organizationId: organizationId.optional(),
    backup: backupSchema,
    dataSets: z.array(lineOfText(100)).min(1).max(100).nullable().default(null),
    tables: z.array(tableName).min(1).max(500).nullable().default(null),
    records: z
      .array(z.strictObject({ table: tableName, key: z.array(textOf(1_000)).min(1).max(32) }))
      .min(1)
      .max(500)
      .nullable()
      .default(null)
      .meta({ description: "Single records with their dependants; keys in primary key order, as text" }),
    strategy: z.enum(strategies).default("overwrite"),
    liveOnly: z.enum(["keep", "mirror"]).default("keep"),
    targetOrganizationId: organizationId
      .optional()
      .meta({ description: "Restore it as another organization, which is made new; for platform admins" }),
    leftOverIds: z
      .enum(["stop", "report"])
      .default("stop")
      .meta({ description: "As another organization: values that still hold an old id stop it, or are reported" }),
    dryRun: z.boolean().default(true).meta({ description: "Only compare; a restore must be asked for with false" }),
    approval: z.enum(["given", "ask"]).default("ask"),
    defaultDecision: decision.nullable().default(null),
    deadlineHours: z.number().min(0.1).max(720).default(72),
    purpose,
  })
  .meta({ id: "RestoreBody" });

const restoreSchema = z
  .object({
    id: z.string(),
    organizationId: z.string(),
    status: z.enum(["requested", "running", "waiting", "applied", "previewed", "rolled_back", "failed", "cancelled"]),
    requestedBy: z.string(),
    requestedAt: z.string(),
    strategy: z.enum(strategies),
    liveOnly: z.enum(["keep", "mirror"]),
    dryRun: z.boolean(),
    waitsFor: z.string().nullable(),
    waitsUntil: z.string().nullable(),
    backupId: z.string().nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
  })
  .loose()
  .meta({ id: "Restore" });

function describe({ errorCode, errorMessage, target: _target, workflowId: _workflowId, ...rest }: RestoreRow) {
  return { ...rest, error: errorCode === null ? null : { code: errorCode, message: errorMessage ?? "" } };
}

type AnyCall = Pick<Call<never, never, never>, "run" | "client" | "principal">;

const find = (call: AnyCall, wanted: string): Promise<RestoreRow> => call.run((bound) => getRestore(bound, wanted));
const keyOf = (row: RestoreRow) => ({ restoreId: row.id, organizationId: row.organizationId });
const locationOf = (wanted: string) => ({ Location: `/api/admin/restores/${wanted}` });

function choiceOf(backup: z.output<typeof backupSchema>): BackupChoice {
  if (backup === "latest") return { by: "latest" };
  return "at" in backup ? { by: "time", at: backup.at } : { by: "id", backupId: backup.backupId };
}

export const listRestores = defineEndpoint({
  id: "listRestores",
  method: "get",
  path: "/api/admin/restores",
  action: "restore.read",
  scope: "any",
  summary: "Restores, newest first",
  query: z.strictObject({ organizationId: organizationId.optional(), limit, cursor }),
  success: {
    status: 200,
    description: "One page",
    schema: z.object({ restores: z.array(restoreSchema), next: z.string().nullable() }),
  },
  async handle(call) {
    const { limit: count, cursor: text } = call.query;
    const rows = await call.run((bound) =>
      listRestoreRows(bound, {
        ...(call.organizationId !== null && { organizationId: call.organizationId }),
        after: decodeCursor(cursorSchema, text),
        limit: count + 1,
      }),
    );
    const page = rows.slice(0, count);
    const last = page.at(-1);
    const next = rows.length > count && last !== undefined ? encodeCursor({ at: last.requestedAt, id: last.id }) : null;
    return { status: 200, body: { restores: page.map(describe), next } };
  },
});

export const startRestore = defineEndpoint({
  id: "startRestore",
  method: "post",
  path: "/api/admin/restores",
  action: "restore.start",
  scope: "organization",
  summary: "Compare a backup with what is live (dry run), or restore it",
  body: bodySchema,
  limit: "restore",
  isSpared: ({ dryRun }) => dryRun,
  success: { status: 202, description: "It is under way", schema: restoreSchema, location: true },
  refusals: ["OrganizationNotFound"],
  async handle(call) {
    const { backup, dataSets, tables, records, strategy, liveOnly, dryRun, approval, defaultDecision } = call.body;
    assertDataSets(call, dataSets);
    if (records !== null && (tables !== null || dataSets !== null))
      throw new ValueError([
        { field: "body.records", message: "names single records; leave out `tables` and `dataSets`" },
      ]);
    const organization = call.organizationId as string;
    const target = call.body.targetOrganizationId ?? organization;
    // Whether it is there or not: another organization is not the caller's to make.
    if (target !== organization && call.principal.role !== "platform")
      throw new BackupError("OrganizationNotFound", "There is no such organization.");
    if (target !== organization && records !== null)
      throw new BackupError("UsageInvalid", "Single records can't be restored as another organization.");
    const order = {
      ...restoreDefaults,
      restoreId: randomUUID(),
      organizationId: organization,
      targetOrganizationId: target,
      leftOverIds: call.body.leftOverIds,
      choice: choiceOf(backup),
      dataSets,
      tables,
      records: records?.length ?? 0,
      strategy,
      liveOnly,
      dryRun,
      approval,
      defaultDecision,
      waitMs: Math.round(call.body.deadlineHours * 3_600_000),
      requestedBy: call.principal.subject,
    };
    // The row is there before the workflow looks for it, and stays as "requested" should Temporal not answer.
    await call.run((bound) => createRestore(bound, order, { records, targetSealed: null }));
    await askTemporal(call.client, () => requestRestore(call.client, order));
    const row = await find(call, order.restoreId);
    return { status: 202, body: describe(row), headers: locationOf(order.restoreId) };
  },
});

export const readRestore = defineEndpoint({
  id: "readRestore",
  method: "get",
  path: "/api/admin/restores/{restoreId}",
  action: "restore.read",
  scope: "any",
  summary: "One restore, with how far it is",
  params: restoreId,
  query: organizationQuery,
  success: {
    status: 200,
    description: "The restore",
    schema: restoreSchema.extend({ progress: z.object({ stage: z.string() }).loose().nullable() }),
  },
  refusals: ["RestoreNotFound"],
  async handle(call) {
    const row = await find(call, call.params.restoreId);
    const isOpen = ["requested", "running", "waiting"].includes(row.status);
    const progress = isOpen
      ? await askTemporal(call.client, () => readRestoreProgress(call.client, keyOf(row))).catch((error: unknown) => {
          if (error instanceof BackupError) return null; // the row is what is known then
          throw error;
        })
      : null;
    return { status: 200, body: { ...describe(row), progress } };
  },
});

export const approveRestoreEndpoint = defineEndpoint({
  id: "approveRestore",
  method: "post",
  path: "/api/admin/restores/{restoreId}/approve",
  action: "restore.start",
  scope: "organization",
  summary: "Apply what the comparison showed",
  params: restoreId,
  body: z.strictObject({ organizationId: organizationId.optional(), purpose }).meta({ id: "ApproveBody" }),
  success: { status: 202, description: "It goes on", schema: restoreSchema, location: true },
  refusals: ["RestoreNotFound", "DecisionInvalid"],
  async handle(call) {
    const row = await find(call, call.params.restoreId);
    await askTemporal(call.client, () => approveRestore(call.client, keyOf(row), call.principal.subject), 20_000);
    return { status: 202, body: describe(row), headers: locationOf(row.id) };
  },
});

export const decideRestoreEndpoint = defineEndpoint({
  id: "decideRestore",
  method: "post",
  path: "/api/admin/restores/{restoreId}/decisions",
  action: "restore.start",
  scope: "organization",
  summary: "Decide conflicts by their numbers, or all that are left",
  params: restoreId,
  body: z
    .strictObject({
      organizationId: organizationId.optional(),
      decisions: z
        .array(z.strictObject({ number: z.int().min(1), decision }))
        .min(1)
        .max(maxDecisionsPerUpdate)
        .optional(),
      rest: z.strictObject({ table: tableName.nullable().default(null), decision }).optional(),
    })
    .meta({ id: "DecisionsBody" }),
  success: { status: 200, description: "Taken", schema: z.object({ undecided: z.int() }) },
  refusals: ["RestoreNotFound", "DecisionInvalid"],
  async handle(call) {
    const { decisions, rest } = call.body;
    if ((decisions === undefined) === (rest === undefined))
      throw new ValueError([{ field: "body", message: "must have `decisions` or `rest`, and not both" }]);
    const row = await find(call, call.params.restoreId);
    const result = await askTemporal(
      call.client,
      async () =>
        decisions !== undefined
          ? await decideConflicts(call.client, keyOf(row), decisions)
          : await decideRemainingConflicts(call.client, keyOf(row), rest as NonNullable<typeof rest>),
      20_000,
    );
    return { status: 200, body: result };
  },
});

export const finishDryRunEndpoint = defineEndpoint({
  id: "finishDryRun",
  method: "post",
  path: "/api/admin/restores/{restoreId}/finish",
  action: "restore.start",
  scope: "organization",
  summary: "End the look at a dry run; its rows are forgotten",
  params: restoreId,
  query: organizationQuery,
  success: { status: 202, description: "It ends", schema: restoreSchema, location: true },
  refusals: ["RestoreNotFound", "DecisionInvalid"],
  async handle(call) {
    const row = await find(call, call.params.restoreId);
    await askTemporal(call.client, () => finishDryRun(call.client, keyOf(row)), 20_000);
    return { status: 202, body: describe(row), headers: locationOf(row.id) };
  },
});

export const cancelRestoreEndpoint = defineEndpoint({
  id: "cancelRestore",
  method: "post",
  path: "/api/admin/restores/{restoreId}/cancel",
  action: "restore.start",
  scope: "organization",
  summary: "Cancel a restore before it is applied; nothing of it stays",
  params: restoreId,
  query: organizationQuery,
  success: { status: 202, description: "It is told to end", schema: restoreSchema, location: true },
  refusals: ["RestoreNotFound", "JobFinished"],
  async handle(call) {
    const row = await find(call, call.params.restoreId);
    if (!["requested", "running", "waiting"].includes(row.status))
      throw new BackupError("JobFinished", "The restore is over already.");
    await askTemporal(call.client, () => cancelRestore(call.client, keyOf(row)));
    return { status: 202, body: describe(row), headers: locationOf(row.id) };
  },
});

export const rollBackRestore = defineEndpoint({
  id: "rollBackRestore",
  method: "post",
  path: "/api/admin/restores/{restoreId}/rollback",
  action: "restore.rollback",
  scope: "organization",
  summary: "Undo a restore, exactly; refused where rows were changed since",
  params: restoreId,
  body: z
    .strictObject({
      organizationId: organizationId.optional(),
      partial: z.boolean().default(false).meta({ description: "Undo what can be undone, and list the rest" }),
      purpose,
    })
    .meta({ id: "RollbackBody" }),
  limit: "restore",
  success: { status: 202, description: "It is under way", schema: restoreSchema, location: true },
  refusals: ["RestoreNotFound", "RollbackRefused"],
  async handle(call) {
    const row = await find(call, call.params.restoreId);
    if (row.status !== "applied")
      throw new BackupError("RollbackRefused", "Only an applied restore can be rolled back.");
    const { partial } = call.body;
    await askTemporal(call.client, () =>
      requestRollback(call.client, { ...keyOf(row), partial, requestedBy: call.principal.subject }),
    );
    return { status: 202, body: describe(row), headers: locationOf(row.id) };
  },
});

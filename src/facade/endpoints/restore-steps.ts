// What people say to a restore that is there: approve, decide, finish the look, cancel, roll back.
import { z } from "zod";
import { askTemporal } from "../../client/ask-temporal.ts";
import {
  approveRestore,
  cancelRestore,
  decideConflicts,
  decideRemainingConflicts,
  finishDryRun,
  requestRollback,
} from "../../client/start-restore.ts";
import { BackupError } from "../../domain/errors.ts";
import { maxDecisionsPerUpdate } from "../../domain/restore-run.ts";
import { defineEndpoint } from "../endpoint.ts";
import { organizationId, organizationQuery, purpose, tableName } from "../input.ts";
import { ValueError } from "../problem.ts";
import { decision, findRestore, goesOn, isOpen, keyOf, restoreId, restoreSchema } from "./restore-resource.ts";

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
    const row = await findRestore(call, call.params.restoreId);
    await askTemporal(call.client, () => approveRestore(call.client, keyOf(row), call.principal.subject), 20_000);
    return goesOn(row);
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
    const row = await findRestore(call, call.params.restoreId);
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
    const row = await findRestore(call, call.params.restoreId);
    await askTemporal(call.client, () => finishDryRun(call.client, keyOf(row)), 20_000);
    return goesOn(row);
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
    const row = await findRestore(call, call.params.restoreId);
    if (!isOpen(row)) throw new BackupError("JobFinished", "The restore is over already.");
    await askTemporal(call.client, () => cancelRestore(call.client, keyOf(row)));
    return goesOn(row);
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
    const row = await findRestore(call, call.params.restoreId);
    if (row.status !== "applied")
      throw new BackupError("RollbackRefused", "Only an applied restore can be rolled back.");
    const { partial } = call.body;
    await askTemporal(call.client, () =>
      requestRollback(call.client, { ...keyOf(row), partial, requestedBy: call.principal.subject }),
    );
    return goesOn(row);
  },
});

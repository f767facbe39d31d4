// Restores: ordered here, carried out by their workflow. An organization's own roles restore it into itself; as another
// organization it is restored by a platform admin only, and into another database from the command line, because neither
// is the organization's own.
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { askTemporal } from "../../client/ask-temporal.ts";
import { readRestoreProgress, requestRestore } from "../../client/start-restore.ts";
import { createRestore, listRestores as listRestoreRows } from "../../control/restores.ts";
import { BackupError } from "../../domain/errors.ts";
import { restoreDefaults } from "../../domain/restore-run.ts";
import { defineEndpoint } from "../endpoint.ts";
import {
  cursor,
  id,
  limit,
  lineOfText,
  organizationId,
  organizationQuery,
  purpose,
  tableName,
  textOf,
} from "../input.ts";
import { readPage } from "../page.ts";
import { ValueError } from "../problem.ts";
import { backupSchema, choiceOf } from "./backup-choice.ts";
import { assertDataSets } from "./backups.ts";
import {
  decision,
  describeRestore,
  findRestore,
  goesOn,
  isOpen,
  keyOf,
  restoreId,
  restoreSchema,
  strategies,
} from "./restore-resource.ts";

const cursorSchema = z.strictObject({ at: z.iso.datetime({ offset: true }), id });

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
    const filter = call.organizationId === null ? {} : { organizationId: call.organizationId };
    const { page, next } = await readPage(call.query, {
      cursor: cursorSchema,
      read: (after, most) => call.run((bound) => listRestoreRows(bound, { ...filter, after, limit: most })),
      positionOf: (row) => ({ at: row.requestedAt, id: row.id }),
    });
    return { status: 200, body: { restores: page.map(describeRestore), next } };
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
    const { backup, records, deadlineHours, purpose: _purpose, targetOrganizationId, ...asked } = call.body;
    const { dataSets, tables } = asked;
    assertDataSets(call, dataSets);
    if (records !== null && (tables !== null || dataSets !== null))
      throw new ValueError([
        { field: "body.records", message: "names single records; leave out `tables` and `dataSets`" },
      ]);
    const organization = call.organizationId as string;
    const target = targetOrganizationId ?? organization;
    // Whether it is there or not: another organization is not the caller's to make.
    if (target !== organization && call.principal.role !== "platform")
      throw new BackupError("OrganizationNotFound", "There is no such organization.");
    if (target !== organization && records !== null)
      throw new ValueError([{ field: "body.records", message: "can't be restored as another organization" }]);
    const order = {
      ...restoreDefaults,
      ...asked,
      restoreId: randomUUID(),
      organizationId: organization,
      targetOrganizationId: target,
      choice: choiceOf(backup),
      records: records?.length ?? 0,
      waitMs: Math.round(deadlineHours * 3_600_000),
      requestedBy: call.principal.subject,
    };
    // The row is there before the workflow looks for it, and stays as "requested" should Temporal not answer.
    await call.run((bound) => createRestore(bound, order, { records, targetSealed: null }));
    await askTemporal(call.client, () => requestRestore(call.client, order));
    return goesOn(await findRestore(call, order.restoreId));
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
    const row = await findRestore(call, call.params.restoreId);
    const progress = isOpen(row)
      ? await askTemporal(call.client, () => readRestoreProgress(call.client, keyOf(row))).catch((error: unknown) => {
          if (error instanceof BackupError) return null; // the row is what is known then
          throw error;
        })
      : null;
    return { status: 200, body: { ...describeRestore(row), progress } };
  },
});

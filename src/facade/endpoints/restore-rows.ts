// The rows that a restore would change, old and new side by side, while it waits for people.
import { z } from "zod";
import { getRestore } from "../../control/restores.ts";
import { BackupError } from "../../domain/errors.ts";
import { maskDifference } from "../../domain/restore/mask-differences.ts";
import { defineEndpoint } from "../endpoint.ts";
import { id, limit, organizationId, purpose, tableName } from "../input.ts";

const kinds = ["missing", "changed", "live only", "taken"] as const;
const values = z.record(z.string(), z.string().nullable());

const rowSchema = z
  .object({
    number: z.int().meta({ description: "Names the row in decisions" }),
    table: z.string(),
    kind: z.enum(kinds),
    key: values,
    backup: values.nullable(),
    live: values.nullable(),
    differs: z.array(z.string()).meta({ description: "Columns that differ, masked ones too" }),
    masked: z.array(z.string()).meta({ description: "Columns whose values are not told" }),
  })
  .meta({ id: "DifferingRow" });

export const readRestoreRows = defineEndpoint({
  id: "readRestoreRows",
  method: "get",
  path: "/api/admin/restores/{restoreId}/rows",
  action: "restore.inspect",
  scope: "organization",
  summary: "Rows that differ, page by page, while the restore waits",
  params: z.strictObject({ restoreId: id }),
  query: z.strictObject({
    organizationId: organizationId.optional(),
    table: tableName.optional(),
    kind: z.enum(kinds).optional(),
    after: z.coerce.number().int().min(0).default(0).meta({ description: "`next` of the page before" }),
    limit,
    purpose,
  }),
  success: {
    status: 200,
    description: "One page",
    schema: z.object({ rows: z.array(rowSchema), next: z.int().nullable() }),
  },
  refusals: ["RestoreNotFound", "RestoreNotWaiting"],
  async handle(call) {
    const { table = null, kind = null, after, limit: count } = call.query;
    const restore = await call.run((bound) => getRestore(bound, call.params.restoreId));
    // Another database's rows are not for a caller of this one.
    if (restore.target !== "source" || restore.targetOrganizationId !== call.organizationId)
      throw new BackupError("RestoreNotFound", "There is no such restore.");
    if (restore.status !== "waiting")
      throw new BackupError("RestoreNotWaiting", "Its rows can be seen only while the restore waits.");
    const page = await call.dependencies.readDifferences(restore.id, { table, kind, after, limit: count });
    const rows = page.rows.map((row) => maskDifference(row, call.dependencies.masks));
    return { status: 200, body: { rows, next: page.next } };
  },
});

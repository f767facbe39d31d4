// A restore as callers see it.
import { z } from "zod";
import { getRestore, type RestoreRow } from "../../control/restores.ts";
import type { Answer, Call } from "../endpoint.ts";
import { id } from "../input.ts";

export const strategies = ["overwrite", "skip", "merge", "prompt"] as const;
export const decision = z.enum(["take backup", "keep live", "merge"]);
export const restoreId = z.strictObject({ restoreId: id });

export const restoreSchema = z
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

export function describeRestore({
  errorCode,
  errorMessage,
  target: _target,
  workflowId: _workflowId,
  ...rest
}: RestoreRow) {
  return { ...rest, error: errorCode === null ? null : { code: errorCode, message: errorMessage ?? "" } };
}

/** @throws RestoreNotFound */
export const findRestore = (call: Pick<Call<never, never, never>, "run">, wanted: string): Promise<RestoreRow> =>
  call.run((bound) => getRestore(bound, wanted));

export const keyOf = (row: RestoreRow) => ({ restoreId: row.id, organizationId: row.organizationId });

/** What was asked is taken, and goes on by itself. */
export const goesOn = (row: RestoreRow): Answer => ({
  status: 202,
  body: describeRestore(row),
  headers: { Location: `/api/admin/restores/${row.id}` },
});

export const isOpen = ({ status }: RestoreRow): boolean => ["requested", "running", "waiting"].includes(status);

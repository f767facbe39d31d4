// A backup's tables as they would come into the live schema: of the organization that is restored, unless it says otherwise.
import { planRestore, type RestorePlan } from "../../../domain/restore/restore-plan.ts";
import type { SchemaDescription } from "../../../domain/schema.ts";
import type { RestorePlanInput } from "../../../ports/restore-target.ts";

/** `other`: whose rows, which backup, or which part of it. @throws as planRestore() */
export function planBackup(
  input: RestorePlanInput,
  liveSchema: SchemaDescription,
  other: Partial<Pick<RestorePlanInput, "organizationId" | "backup" | "selection">> = {},
): RestorePlan {
  const { targetOrganizationId, catalogue, renamedColumns } = input;
  const { organizationId = targetOrganizationId, backup = input.backup, selection = input.selection } = other;
  return planRestore({
    organizationId,
    catalogue,
    backupSchema: backup.schema,
    stored: backup.tables,
    selection,
    renamedColumns,
    liveSchema,
  });
}

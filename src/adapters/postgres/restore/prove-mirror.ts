// After a full overwrite that mirrors, the organization's rows are the backup's: the manifest's checksum says so of the very
// bytes. Tables whose columns drifted can't have the same bytes, and keep to the other proofs.
import { BackupError } from "../../../domain/errors.ts";
import { copyLiveRows } from "../../../domain/restore/proof-sql.ts";
import type { ApplyOptions } from "../../../ports/restore-target.ts";
import { RowProof } from "../../../repository/row-proof.ts";
import type { RestoreContext } from "./restore-context.ts";

/** @returns what was proven, for people. @throws RestoreInvalid */
export async function proveMirror(
  { session, plan, input }: RestoreContext,
  { strategy, liveOnly }: ApplyOptions,
): Promise<readonly string[]> {
  if (strategy !== "overwrite" || liveOnly !== "mirror" || input.selection.records !== null) return [];
  if (input.targetOrganizationId !== input.organizationId) return [];
  let proven = 0;
  for (const table of plan.tables) {
    const stated = input.backup.tables.find((each) => each.table === table.table);
    if (stated === undefined || table.drifted) continue;
    const proof = new RowProof();
    for await (const chunk of session.copyOut(copyLiveRows(table), `proving the checksum of ${table.table}`))
      proof.push(chunk);
    if (!proof.proves(stated))
      throw new BackupError(
        "RestoreInvalid",
        `${table.table}: the organization's rows do not have the checksum that the backup states; nothing was committed.`,
        { table: table.table },
      );
    proven += 1;
  }
  return proven === 0 ? [] : [`row checksums of ${proven} tables`];
}

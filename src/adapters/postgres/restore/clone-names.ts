// What new keys, texts and paths of a copy are made from. It is kept with the restore, so that a stage which is repeated gives
// the same ones.
import { sha256 } from "../../../crypto/sha256.ts";
import type { CloneNames } from "../../../domain/restore/clone-sql.ts";
import type { RestoreContext } from "./restore-context.ts";
import type { RestoreSession } from "./restore-session.ts";

export async function nameClone({ session, input, restoreId }: RestoreContext): Promise<CloneNames> {
  const doing = "naming the copy";
  await session.execute(
    `INSERT INTO wedsync_restore.clones (restore_id) VALUES (${restoreId}) ON CONFLICT DO NOTHING`,
    doing,
  );
  const secret = await session.value(
    `SELECT secret FROM wedsync_restore.clones WHERE restore_id = ${restoreId}`,
    doing,
  );
  const { organizationId, targetOrganizationId } = input;
  const suffix = sha256(targetOrganizationId).slice(0, 8);
  return { secret: secret as string, suffix, organizationId, targetOrganizationId };
}

/** After this, no stage of the same restore gives the same keys again. */
export async function forgetClone(session: RestoreSession, restoreId: string): Promise<void> {
  const doing = "forgetting the old keys";
  for (const table of ["wedsync_restore.clones", "wedsync_restore.clone_numbers"]) {
    if ((await session.value("SELECT to_regclass($1) IS NOT NULL", doing, [table])) !== "t") continue;
    await session.execute(`DELETE FROM ${table} WHERE restore_id = $1`, doing, [restoreId]);
  }
}

// The end of a restore whose run nobody follows any more: what it staged goes, and an apply that still comes finds the mark.
import type { GivenUp } from "../../../ports/restore-target.ts";
import { forgetClone } from "./clone-names.ts";
import { ensureKeptSchema, stagingOf } from "./restore-context.ts";
import { RestoreSession } from "./restore-session.ts";

/** `mark`: false for one that is known to be over; it may well have been a dry run, and only its staging is in the way. */
export async function giveUpRestore(url: string, restoreId: string, { mark }: { mark: boolean }): Promise<GivenUp> {
  const session = await RestoreSession.open(url);
  const doing = "giving the restore up";
  try {
    // Whoever holds it works on this restore right now, though nobody waits for it: that must end first.
    const free = "SELECT pg_try_advisory_lock(hashtextextended('wedsync restore ' || $1, 0))";
    if ((await session.value(free, doing, [restoreId])) !== "t") return "at work";
    if (mark) {
      await ensureKeptSchema(session);
      await session.execute(
        "INSERT INTO wedsync_restore.restores (restore_id, status, applied_at) VALUES ($1, 'abandoned', NULL) ON CONFLICT DO NOTHING",
        doing,
        [restoreId],
      );
    }
    await session.execute(`DROP SCHEMA IF EXISTS ${stagingOf(restoreId).schema} CASCADE`, doing);
    await forgetClone(session, restoreId);
    if (!mark) return "never applied";
    await session.execute("DELETE FROM wedsync_restore.conflicts WHERE restore_id = $1", doing, [restoreId]);
    const status = await session.value("SELECT status FROM wedsync_restore.restores WHERE restore_id = $1", doing, [
      restoreId,
    ]);
    return status === "applied" ? "applied" : status === "abandoned" ? "never applied" : "rolled back";
  } finally {
    await session.close();
  }
}

/** Ids of restores that have staging here, as UUIDs. */
export async function listStaged(url: string): Promise<readonly string[]> {
  const session = await RestoreSession.open(url);
  try {
    const rows = await session.rows(
      "SELECT substring(nspname FROM 17) AS hex FROM pg_namespace WHERE nspname ~ '^wedsync_restore_[0-9a-f]{32}$'",
      "looking for staging schemas",
    );
    return rows.map(({ hex }) => (hex ?? "").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"));
  } finally {
    await session.close();
  }
}

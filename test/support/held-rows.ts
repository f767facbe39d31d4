// A transaction of somebody's that stands in a restore's way, so that a test knows where the restore is.
import { Client } from "pg";
import type { BackupRig } from "./backup-rig.ts";
import { eventually } from "./eventually.ts";

/** `lock`: a statement that holds what the restore must write. @returns how to let it go. */
export async function hold(
  { database }: Pick<BackupRig, "database">,
  lock: string,
  parameters: readonly unknown[] = [],
): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: database.url });
  let isLost = false;
  client.on("error", () => (isLost = true)); // a test may kill the server under it
  await client.connect();
  await client.query("BEGIN");
  await client.query(lock, [...parameters]);
  return async () => {
    if (isLost) return;
    await client.query("ROLLBACK");
    await client.end();
  };
}

/** Until a restore, or a rollback, waits in the middle of its transaction. */
export const untilHeld = ({ database }: Pick<BackupRig, "database">): Promise<unknown> =>
  eventually("the restore's transaction to wait", async () => {
    const [row] = await database.query<{ waiting: string }>(
      "SELECT count(*) AS waiting FROM pg_stat_activity WHERE application_name = 'wedsync-backup restore' AND wait_event_type = 'Lock' AND datname = current_database()",
    );
    return Number(row?.waiting ?? 0) > 0;
  });

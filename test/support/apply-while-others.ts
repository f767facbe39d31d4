// Others who commit while a restore's transaction is under way.
import type { Client } from "pg";
import type { RestorePlanInput } from "../../src/ports/restore-target.ts";
import { optionsOf, type RestoreFixture } from "./restore-fixture.ts";
import { waitUntil } from "./wait-until.ts";

/** Applies; when its transaction waits for the row that `holder` locks by `lockSql`, `others` come and commit. */
export async function applyWhileOthers(
  fixture: RestoreFixture,
  holder: Client,
  input: RestorePlanInput,
  { lockSql, others }: { readonly lockSql: string; readonly others: string },
) {
  await fixture.target.stage(input, () => {});
  await fixture.target.diff(input);
  await holder.query("BEGIN");
  await holder.query(lockSql);
  const applying = fixture.target.apply(input, optionsOf(input.strategy, input.liveOnly));
  applying.catch(() => {}); // awaited below
  await waitUntil("the transaction waits for the row", async () => {
    const waiting = await fixture.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'wedsync-backup restore' AND wait_event_type = 'Lock'",
    );
    return waiting.length > 0;
  });
  await fixture.query(others);
  await holder.query("ROLLBACK");
  return await applying;
}

// One recovery at a time into a database. Each of its sessions holds a lock of the server's for as long as it is open, so
// whoever has got both knows that nothing of an earlier recovery is at work any more, and what it left is nobody's.
import { BackupError } from "../domain/errors.ts";
import { quoteLiteral } from "../domain/sql-quoting.ts";
import { mapTargetError, type TargetDatabase } from "./target-database.ts";

/** The sessions of a process that was killed are gone by then; see endWithProcess. */
const waitMs = 15_000;

const lockOf = (session: "lead" | "beside"): string =>
  `pg_catalog.hashtextextended(${quoteLiteral(`wedsync recover ${session}`)}, 0)`;

/** @throws RecoverTargetBusy, RecoverTargetUnreachable, RecoverTargetRefused */
export async function holdTarget(lead: TargetDatabase): Promise<void> {
  await endWithProcess(lead);
  await hold(lead, lockOf("lead"));
  // Nobody begins a second session without the first one's lock, so it stays free.
  await hold(lead, lockOf("beside"));
  await lead.execute(`SELECT pg_catalog.pg_advisory_unlock(${lockOf("beside")})`, "locking the database");
}

/** For the second session of whoever holds the target. @throws as holdTarget() */
export async function holdBeside(beside: TargetDatabase): Promise<void> {
  await endWithProcess(beside);
  await hold(beside, lockOf("beside"));
}

async function hold({ client }: TargetDatabase, lock: string): Promise<void> {
  const sql = `SET lock_timeout = ${waitMs}; SELECT pg_catalog.pg_advisory_lock(${lock}); SET lock_timeout = 0`;
  try {
    await client.query(sql);
  } catch (error) {
    if ((error as { code?: string }).code !== "55P03") throw mapTargetError(error, "locking the database");
    const { rows } = await client.query<{ pid: string }>(holderSql(lock)).catch((failure: unknown) => {
      throw mapTargetError(failure, "looking who recovers into the database");
    });
    const [holder] = rows;
    throw new BackupError(
      "RecoverTargetBusy",
      `Another recovery into this database is under way${holder === undefined ? "" : ` (the server's process ${holder.pid})`}; let it end. If its machine is gone, the server notices within two minutes.`,
    );
  }
}

const holderSql = (lock: string): string => `
  SELECT pid FROM pg_catalog.pg_locks JOIN pg_catalog.pg_database d ON d.oid = database AND d.datname = current_database()
  WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) | objid::bigint = ${lock}`;

/**
 * The server looks every second whether the process is still there, also in the middle of a long statement, and whether
 * the machine is. Otherwise it would build an index to its end for nobody, or wait for hours for a machine without power.
 */
async function endWithProcess({ client }: TargetDatabase): Promise<void> {
  try {
    await client.query(`
      SELECT pg_catalog.set_config(name, value, false) FROM pg_catalog.pg_settings JOIN (VALUES
        ('tcp_keepalives_idle', '60'), ('tcp_keepalives_interval', '15'), ('tcp_keepalives_count', '4'),
        ('tcp_user_timeout', '120000')) AS wanted (name, value) USING (name)`);
    await client.query(`
      SELECT pg_catalog.set_config(name, '1000', false) FROM pg_catalog.pg_settings
      WHERE name = 'client_connection_check_interval'`);
  } catch (error) {
    // Some servers' systems can't look, and refuse any interval; then a long statement goes on to its end.
    if ((error as { code?: string }).code !== "22023") throw mapTargetError(error, "setting the session up");
  }
}

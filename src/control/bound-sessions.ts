// Sessions of the facade on the control tables: each transaction runs under the facade's own role, which owns nothing, and
// is bound to one organization (or to the platform's view of all) by a signed setting (migrations/0003_row-security.sql).
import { createHash } from "node:crypto";
import { Pool, type PoolClient, type QueryResultRow } from "pg";
import { BackupError } from "../domain/errors.ts";
import type { ControlDatabase, Queryable } from "./control-database.ts";
import { mapControlError } from "./map-control-error.ts";

export const facadeRole = "wedsync_backup_facade";

export interface Binding {
  /** Null: no organization's rows, or with `platform` those of all, to read. */
  readonly organizationId: string | null;
  readonly platform: boolean;
  /** Goes into the audit log with whatever the session does. */
  readonly actor: string;
  readonly role: string;
}

export interface BoundSessions {
  /** One transaction. What `work` throws rolls it back. */
  run<T>(binding: Binding, work: (bound: Queryable) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const bindingSeconds = 300;

export interface BoundSessionOptions {
  /** Either a login of the facade's own, or the owner's, which then takes the role for each transaction. */
  readonly url: string;
  readonly bindingKey: Buffer;
  readonly connections?: number;
}

/** The key that signs bindings; for the owner's eyes. @throws ConfigurationInvalid when the facade's role is not there. */
export async function readBindingKey(owner: ControlDatabase): Promise<Buffer> {
  const [row] = await owner.query<{ key: Buffer; exists: boolean }>(
    "SELECT key, EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS exists FROM backup.binding_key",
    [facadeRole],
  );
  if (row?.exists !== true)
    throw new BackupError(
      "ConfigurationInvalid",
      `The database has no role ${facadeRole}. An administrator must run: CREATE ROLE ${facadeRole} NOLOGIN; GRANT ${facadeRole} TO the role of BACKUP_DATABASE_URL; and, as the tables' owner: SELECT backup.grant_all_facade_rights();`,
    );
  return row.key;
}

export function signBinding(key: Buffer, binding: Binding, nowMs: number): string {
  const content = JSON.stringify({
    organization: binding.organizationId,
    platform: binding.platform,
    actor: binding.actor,
    role: binding.role,
    expires: Math.floor(nowMs / 1000) + bindingSeconds,
  });
  const inner = createHash("sha256").update(key).update(content).digest();
  return `${createHash("sha256").update(key).update(inner).digest("hex")}:${content}`;
}

export function openBoundSessions({ url, bindingKey, connections = 10 }: BoundSessionOptions): BoundSessions {
  const pool = new Pool({
    connectionString: url,
    application_name: "wedsync-backup facade",
    max: connections,
    connectionTimeoutMillis: 5_000,
    // A statement of a request must not outlive the request.
    statement_timeout: 10_000,
  });
  pool.on("error", () => {}); // an idle connection that ends is replaced when it is needed again
  return {
    async run(binding, work) {
      let client: PoolClient;
      try {
        client = await pool.connect();
      } catch (error) {
        throw mapControlError(error);
      }
      const onError = (): void => {}; // the running query rejects as well
      client.on("error", onError);
      let broken = false;
      const bound: Queryable = {
        async query<T extends QueryResultRow>(sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
          try {
            return (await client.query<T>(sql, [...parameters])).rows;
          } catch (error) {
            throw mapControlError(error);
          }
        },
      };
      try {
        await bound.query("BEGIN");
        await bound.query("SELECT set_config('role', $1, true), set_config('wedsync.binding', $2, true)", [
          facadeRole,
          signBinding(bindingKey, binding, Date.now()),
        ]);
        const result = await work(bound);
        await bound.query("COMMIT");
        return result;
      } catch (error) {
        await client.query("ROLLBACK").catch(() => void (broken = true)); // a connection that can't roll back is thrown away
        throw error;
      } finally {
        client.removeListener("error", onError);
        client.release(broken);
      }
    },
    close: () => pool.end(),
  };
}

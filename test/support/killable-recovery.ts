// A backup that is large enough for a recovery by two sessions, for the `recover` command; and databases that hold a recovery
// up at a chosen point: its session waits for a lock of the test's, and the test sees that it waits.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { createFilesystemStore } from "../../src/adapters/object-store/filesystem.ts";
import { quoteLiteral } from "../../src/domain/sql-quoting.ts";
import { createCommandLine, type RunningCommand } from "./command-line.ts";
import { backUpOrganization, type RecoverableBackup } from "./recover-fixture.ts";
import { catalogueOf } from "./schema-builder.ts";
import { createTestDatabase, onServer, type TestDatabase } from "./test-database.ts";
import { waitUntil } from "./wait-until.ts";

export const catalogue = catalogueOf(["public.orgs", 'Other "S".lines', "public.events", "public.notes"], {
  schemas: ["public", 'Other "S"', "ext"],
});

/** 17 MiB and more of rows. A value of the domain waits for the lock `fills`. */
const schemaSql = `
  CREATE SCHEMA "Other ""S"""; CREATE SCHEMA ext;
  CREATE EXTENSION citext SCHEMA ext;
  CREATE TYPE "Other ""S""".mood AS ENUM ('fine', 'odd');
  CREATE DOMAIN public.short AS text CHECK (length(value) < 9 AND pg_advisory_xact_lock_shared(7)::text = '');
  CREATE DOMAIN ext.moods AS "Other ""S""".mood DEFAULT 'fine';
  CREATE SEQUENCE public.loose START 7;
  CREATE TABLE orgs (id integer PRIMARY KEY, name ext.citext, favourite integer);
  CREATE TABLE "Other ""S""".lines (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, n serial UNIQUE,
    mood "Other ""S""".mood NOT NULL DEFAULT 'odd', word public.short, text text);
  CREATE INDEX lines_word ON "Other ""S""".lines (lower(word));
  ALTER TABLE orgs ADD FOREIGN KEY (favourite) REFERENCES "Other ""S""".lines (n);
  CREATE TABLE events (id integer, org_id integer NOT NULL REFERENCES orgs, day date, mood ext.moods, text text,
    PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE "Other ""S""".events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
  CREATE TABLE events_rest PARTITION OF events DEFAULT;
  CREATE INDEX ON events (day);
  CREATE TABLE notes (id integer PRIMARY KEY DEFAULT nextval('loose'), org_id integer NOT NULL REFERENCES orgs, text text);
  CREATE INDEX notes_org ON notes (org_id);
  INSERT INTO orgs VALUES (1, 'One');
  INSERT INTO "Other ""S""".lines (org_id, word, text) SELECT 1, 'w' || i, repeat(md5(i::text), 16) FROM generate_series(1, 16000) AS i;
  INSERT INTO events SELECT i, 1, date '2024-06-01' + i % 900, 'odd', repeat(md5(i::text), 16) FROM generate_series(1, 12000) AS i;
  INSERT INTO notes (org_id, text) SELECT 1, repeat(md5(i::text), 16) FROM generate_series(1, 8000) AS i;
  UPDATE orgs SET favourite = 3;
`;

export interface KillableRecovery {
  readonly source: TestDatabase;
  readonly backup: RecoverableBackup;
  /** `recover latest` of it into a database, by the command line; or what `words` say. */
  readonly start: (databaseUrl: string, words?: readonly string[]) => RunningCommand;
  readonly close: () => Promise<void>;
}

export async function createKillableRecovery(): Promise<KillableRecovery> {
  const folder = await mkdtemp(join(tmpdir(), "wedsync-backup-recovery-"));
  const source = await createTestDatabase();
  await onServer(source.url, schemaSql);
  const backup = await backUpOrganization({ url: source.url, catalogue, organizationId: "1" });
  const bucket = join(folder, "store");
  const store = createFilesystemStore({ rootDir: bucket });
  for (const [key, bytes] of backup.store.objects) await store.create(key, bytes);
  const commands = createCommandLine({
    BACKUP_STORAGE_BUCKET: bucket,
    BACKUP_ENCRYPTION_KEY: Buffer.alloc(32, 9).toString("base64"),
    BACKUP_DATA_DIR: join(folder, "data"),
  });
  return {
    source,
    backup,
    start: (databaseUrl, words = ["recover", "latest", "-o", "1"]) =>
      commands.start(["--json", ...words], { RECOVER_DATABASE_URL: databaseUrl }),
    async close() {
      await source.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Rows of `public.short`; or the statements whose text fits. */
export type PausePoint = "rows" | RegExp;

export interface Pause {
  /** Until so many of the recovery's sessions wait. */
  readonly reached: (sessions?: number) => Promise<void>;
  /** Who comes from now on is not held up. Statements that wait go on waiting. */
  readonly lift: () => Promise<void>;
  readonly release: () => Promise<void>;
}

export async function pauseRecovery({ url }: { readonly url: string }, point: PausePoint): Promise<Pause> {
  const holder = new Client({ connectionString: url });
  holder.on("error", () => {}); // a test may kill the server
  await holder.connect();
  if (point === "rows") await holder.query("SELECT pg_advisory_lock(7)");
  else
    await holder.query(`
      SELECT pg_advisory_lock(8);
      CREATE FUNCTION public.pause() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_query() ~ ${quoteLiteral(point.source)} THEN PERFORM pg_advisory_xact_lock_shared(8); END IF; END $$;
      CREATE EVENT TRIGGER pause ON ddl_command_start EXECUTE FUNCTION public.pause()`);
  const waitingSql = `
    SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'wedsync-backup recover'
      AND wait_event_type = 'Lock' AND wait_event = 'advisory' AND query !~ 'lock_timeout'`;
  return {
    reached: (sessions = 1) =>
      waitUntil(
        `${sessions} sessions wait at ${String(point)}`,
        async () => (await holder.query(waitingSql)).rows.length >= sessions,
      ),
    async lift() {
      if (point === "rows") await holder.query("SELECT pg_advisory_unlock(7)");
      else await onServer(url, "DROP EVENT TRIGGER IF EXISTS pause; DROP FUNCTION IF EXISTS public.pause()");
    },
    release: () => holder.end(),
  };
}

/** One that is killed at the point. Its sessions go on waiting there. @returns the process' exit code, and what holds them up. */
export async function killRecovery(
  recovery: KillableRecovery,
  target: TestDatabase,
  point: PausePoint,
): Promise<{ readonly code: number | null; readonly pause: Pause }> {
  const pause = await pauseRecovery(target, point);
  try {
    const killed = recovery.start(target.url);
    await pause.reached();
    killed.signal("SIGKILL");
    return { code: (await killed.ended).code, pause };
  } catch (error) {
    await pause.release();
    throw error;
  }
}

/** Everything that is not the server's own: what it is, its number and, of schemas, the comment. */
export const everythingIn = (database: TestDatabase) =>
  database
    .query<{ what: string }>(`
    SELECT 'schema ' || nspname || ' ' || oid || ' ' || coalesce(obj_description(oid, 'pg_namespace'), '') AS what
    FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL SELECT 'relation ' || c.oid::regclass || ' ' || c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
      WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL SELECT 'type ' || t.oid::regtype || ' ' || t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
      WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL SELECT 'function ' || p.oid::regprocedure || ' ' || p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
      WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL SELECT 'extension ' || extname FROM pg_extension
    ORDER BY 1`)
    .then((rows) => rows.map(({ what }) => what));

export const workingSchemasIn = async (database: TestDatabase): Promise<string[]> =>
  (
    await database.query<{ nspname: string }>(
      "SELECT nspname FROM pg_namespace WHERE nspname ~ '^wedsync_recovery_' ORDER BY 1",
    )
  ).map(({ nspname }) => nspname);

/** As the server sees them: a process that is dead may still have some. */
export const waitForNoSessions = (target: TestDatabase): Promise<void> =>
  waitUntil(`no session works in ${target.name}`, async () => {
    const sessions = await target.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'wedsync-backup recover'",
    );
    return sessions.length === 0;
  });

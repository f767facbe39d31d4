// What must outlive a restore. Made on demand; nobody but its owner has any right in it.
export const keptSchemaSql = `
  CREATE SCHEMA IF NOT EXISTS wedsync_restore;
  REVOKE ALL ON SCHEMA wedsync_restore FROM PUBLIC;
  CREATE TABLE IF NOT EXISTS wedsync_restore.restores (
    restore_id text PRIMARY KEY,
    organization_id text,
    -- abandoned: never applied, and never to be; nothing else is known of it.
    status text NOT NULL CHECK (status IN ('applied', 'rolled back', 'partly rolled back', 'abandoned')),
    applied_at timestamptz DEFAULT now(),
    rolled_back_at timestamptz,
    result text,
    rollback_result text,
    -- What a rollback needs to know: the tables with their keys and columns as they were, and the organization's rule.
    plan text,
    CHECK (status = 'abandoned' OR num_nulls(organization_id, applied_at, result, plan) = 0)
  );
  CREATE TABLE IF NOT EXISTS wedsync_restore.undo (
    restore_id text NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    table_name text NOT NULL,
    operation text NOT NULL CHECK (operation IN ('insert', 'update', 'delete')),
    key text[],
    before_row text,
    after_hash uuid,
    PRIMARY KEY (restore_id, seq)
  );
  -- The same for tables of which a restore did nothing but insert rows: a thousand of them at a time, each with its key
  -- (the text of a text[]) and its hash. Kept as they are: keys at random don't shrink, and trying costs more than reading.
  CREATE TABLE IF NOT EXISTS wedsync_restore.undo_inserts (
    restore_id text NOT NULL,
    table_name text NOT NULL,
    keys text[] NOT NULL,
    after_hashes uuid[] NOT NULL CHECK (cardinality(after_hashes) = cardinality(keys))
  );
  ALTER TABLE wedsync_restore.undo_inserts ALTER COLUMN keys SET STORAGE EXTERNAL, ALTER COLUMN after_hashes SET STORAGE EXTERNAL;
  CREATE INDEX IF NOT EXISTS undo_inserts_by_table ON wedsync_restore.undo_inserts (restore_id, table_name);
  CREATE TABLE IF NOT EXISTS wedsync_restore.conflicts (
    restore_id text NOT NULL,
    number bigint NOT NULL,
    table_name text NOT NULL,
    key text[] NOT NULL,
    live_hash uuid,
    decision text CHECK (decision IN ('take backup', 'keep live', 'merge')),
    PRIMARY KEY (restore_id, number)
  );
  -- Of copies under another organization id that are not over yet: a stage that is repeated gives the same keys.
  CREATE TABLE IF NOT EXISTS wedsync_restore.clones (
    restore_id text PRIMARY KEY,
    secret text NOT NULL DEFAULT gen_random_uuid()::text || gen_random_uuid()::text
  );
  CREATE TABLE IF NOT EXISTS wedsync_restore.clone_numbers (
    restore_id text NOT NULL,
    space text NOT NULL,
    old bigint NOT NULL,
    new bigint NOT NULL,
    PRIMARY KEY (restore_id, space, old)
  );
  CREATE INDEX IF NOT EXISTS conflicts_by_table ON wedsync_restore.conflicts (restore_id, table_name)`;

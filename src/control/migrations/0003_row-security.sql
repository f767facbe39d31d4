-- Up Migration
-- Row-level security on the control tables, for sessions of the facade. The facade's role owns nothing. What its session
-- is bound to (one organization, or the platform) stands in a setting that carries a code made with `binding_key`, which
-- that role can't read: SQL that got into the session by mistake can change the setting, but can't make a valid one.
--
-- The role is made here where the migrating role may. Where it may not, an administrator runs once:
--   CREATE ROLE wedsync_backup_facade NOLOGIN; GRANT wedsync_backup_facade TO <role of BACKUP_DATABASE_URL>;
--   SELECT backup.grant_facade_rights();   -- as the tables' owner
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wedsync_backup_facade') THEN
    CREATE ROLE wedsync_backup_facade NOLOGIN;
  END IF;
EXCEPTION
  WHEN insufficient_privilege THEN RAISE NOTICE 'the role wedsync_backup_facade must be made by an administrator';
  WHEN duplicate_object OR unique_violation THEN NULL; -- roles belong to the server: another database's migration was first
END $$;

CREATE TABLE backup.binding_key (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  key bytea NOT NULL
);
COMMENT ON TABLE backup.binding_key IS 'Signs what a session is bound to; the facade''s role can''t read it';
INSERT INTO backup.binding_key (key)
  VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

-- The binding is "<code>:<json>"; the JSON says organization, platform, actor, role, expires (seconds since 1970).
-- Null when there is none, when it is forged and when it is stale.
CREATE FUNCTION backup.session_binding() RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  stated text := current_setting('wedsync.binding', true);
  content bytea;
  secret bytea;
  binding jsonb;
BEGIN
  IF stated IS NULL OR length(stated) < 66 THEN RETURN NULL; END IF;
  content := convert_to(substr(stated, 66), 'UTF8');
  SELECT key INTO secret FROM backup.binding_key;
  IF encode(sha256(secret || sha256(secret || content)), 'hex') <> left(stated, 64) THEN RETURN NULL; END IF;
  binding := substr(stated, 66)::jsonb;
  IF (binding ->> 'expires')::numeric < extract(epoch FROM clock_timestamp()) THEN RETURN NULL; END IF;
  RETURN binding;
END $$;

CREATE FUNCTION backup.bound_organization() RETURNS text
LANGUAGE sql STABLE AS $$ SELECT backup.session_binding() ->> 'organization' $$;

CREATE FUNCTION backup.bound_to_platform() RETURNS boolean
LANGUAGE sql STABLE AS $$ SELECT coalesce((backup.session_binding() ->> 'platform')::boolean, false) $$;

-- For every table with organization_id, also for those of later migrations. The sub-selects are evaluated once for a
-- statement, not once for a row.
CREATE FUNCTION backup.protect_table(target regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
  EXECUTE format('DROP POLICY IF EXISTS bound_organization ON %s', target);
  EXECUTE format(
    'CREATE POLICY bound_organization ON %s USING (organization_id = (SELECT backup.bound_organization()) OR (SELECT backup.bound_to_platform()))
       WITH CHECK (organization_id = (SELECT backup.bound_organization()))',
    target);
END $$;

SELECT backup.protect_table(c.oid::regclass)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'
WHERE c.relnamespace = 'backup'::regnamespace AND c.relkind IN ('r', 'p');

-- Down Migration
DO $$
DECLARE target regclass;
BEGIN
  FOR target IN SELECT polrelid::regclass FROM pg_policy WHERE polname = 'bound_organization' LOOP
    EXECUTE format('DROP POLICY bound_organization ON %s', target);
    EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', target);
  END LOOP;
END $$;
DROP FUNCTION backup.protect_table(regclass);
DROP FUNCTION backup.bound_organization();
DROP FUNCTION backup.bound_to_platform();
DROP FUNCTION backup.session_binding();
DROP TABLE backup.binding_key;

-- Up Migration
-- The erasure ledger: one row for an organization whose backups somebody had erased, for ever. From "ordered" on, nothing
-- may begin for the organization again: a trigger on every table where something begins sees to it, so that no code path
-- can forget to ask.
CREATE TABLE backup.backup_erasures (
  id uuid PRIMARY KEY,
  organization_id text NOT NULL UNIQUE,
  status text NOT NULL DEFAULT 'requested' CHECK (status IN ('requested', 'refused', 'ordered', 'incomplete', 'erased')),
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  leave_locked boolean NOT NULL DEFAULT false,
  ordered_at timestamptz,
  keys_destroyed_at timestamptz,
  finished_at timestamptz,
  key_ids text[],
  key_amounts jsonb,
  amounts jsonb,
  control_rows jsonb,
  remaining jsonb NOT NULL DEFAULT '[]',
  certificate text,
  certificate_root text,
  certificate_mac text,
  error_code text,
  error_message text
);
COMMENT ON TABLE backup.backup_erasures IS 'Organizations whose backups were erased, how far that is, and its certificate';
COMMENT ON COLUMN backup.backup_erasures.leave_locked IS 'Destroy the key although the store locks objects: they stay, unreadable, until their lock ends';
COMMENT ON COLUMN backup.backup_erasures.certificate IS 'Canonical JSON; certificate_mac is its HMAC by a key derived from the root key named certificate_root';
SELECT backup.protect_table('backup.backup_erasures'), backup.audit_table('backup.backup_erasures');

-- WE410 is our own code (src/control/map-control-error.ts). The shared lock lets an order wait for what has just begun.
CREATE FUNCTION backup.refuse_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF to_jsonb(NEW) ->> 'operation' = 'erase' THEN RETURN NEW; END IF;
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('backup.erasure:' || NEW.organization_id, 0));
  IF EXISTS (
    SELECT FROM backup.backup_erasures e WHERE e.organization_id = NEW.organization_id AND e.status IN ('ordered', 'incomplete', 'erased')
  ) THEN
    RAISE EXCEPTION 'the organization was erased' USING ERRCODE = 'WE410';
  END IF;
  RETURN NEW;
END $$;

-- For every table in which something of an organization begins, also for those of later migrations.
CREATE FUNCTION backup.refuse_when_erased(target regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER refuse_erased BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION backup.refuse_erased()', target);
END $$;
SELECT backup.refuse_when_erased(target::regclass) FROM unnest(ARRAY[
  'backup.backup_leases', 'backup.backup_jobs', 'backup.backup_policies', 'backup.backup_triggers', 'backup.backup_restores',
  'backup.backup_verification_results']) AS target;

-- Asks for an erasure, or gives the one that is there: what was refused may be asked for again, what was ordered goes on.
CREATE FUNCTION backup.request_erasure(new_id uuid, organization text, actor text, leave boolean) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE known uuid;
BEGIN
  INSERT INTO backup.backup_erasures AS e (id, organization_id, requested_by, leave_locked) VALUES (new_id, organization, actor, leave)
    ON CONFLICT (organization_id) DO UPDATE
      SET status = 'requested', requested_by = excluded.requested_by, requested_at = now(), leave_locked = excluded.leave_locked,
          error_code = NULL, error_message = NULL
      WHERE e.status IN ('requested', 'refused');
  SELECT e.id INTO known FROM backup.backup_erasures e WHERE e.organization_id = organization;
  RETURN known;
END $$;

-- For the facade's role: organization and actor are those of the signed binding, and only an owner's will do.
CREATE FUNCTION backup.order_own_erasure(new_id uuid, leave boolean) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE binding jsonb := backup.session_binding();
BEGIN
  IF binding ->> 'organization' IS NULL OR binding ->> 'role' IS DISTINCT FROM 'owner' THEN
    RAISE EXCEPTION 'only an owner may order an erasure' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN backup.request_erasure(new_id, binding ->> 'organization', binding ->> 'actor', leave);
END $$;

-- The point of no return. Waits for what began before, under the lock that refuse_erased() shares.
CREATE FUNCTION backup.begin_erasure(erasure uuid, token bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE organization text;
BEGIN
  SELECT organization_id INTO organization FROM backup.backup_erasures WHERE id = erasure;
  PERFORM pg_advisory_xact_lock(hashtextextended('backup.erasure:' || organization, 0));
  IF NOT EXISTS (SELECT FROM backup.backup_leases l WHERE l.organization_id = organization AND l.holder = erasure AND l.fencing_token = token) THEN
    RETURN false;
  END IF;
  UPDATE backup.backup_erasures SET status = 'ordered', ordered_at = now(), error_code = NULL, error_message = NULL
    WHERE id = erasure AND status = 'requested';
  -- Something has come back of what was erased (a copy was put back): a new sweep, with a certificate of its own.
  UPDATE backup.backup_erasures SET status = 'ordered', keys_destroyed_at = NULL, key_ids = NULL, key_amounts = NULL, amounts = NULL,
      control_rows = NULL, remaining = '[]'
    WHERE id = erasure AND status = 'erased';
  UPDATE backup.backup_erasures SET error_code = NULL, error_message = NULL WHERE id = erasure AND error_code IS NOT NULL;
  RETURN true;
END $$;

-- Deletes every row of the organization in every control table but those that are evidence, whichever tables there are.
-- Each deletion of an audited row stands in the audit log. @returns how many, by table.
CREATE FUNCTION backup.forget_organization(organization text, actor text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  target regclass;
  deleted bigint;
  counts jsonb := '{}';
BEGIN
  PERFORM set_config('wedsync.actor', actor, true);
  FOR target IN
    SELECT c.oid::regclass FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped
    WHERE c.relnamespace = 'backup'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relname NOT IN ('audit_log', 'backup_erasures', 'backup_leases')
    -- What points at another table goes before it.
    ORDER BY (SELECT count(*) FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = c.oid), c.relname
  LOOP
    EXECUTE format('DELETE FROM %s WHERE organization_id = $1', target) USING organization;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted > 0 THEN counts := counts || jsonb_build_object(split_part(target::text, '.', 2), deleted); END IF;
  END LOOP;
  RETURN counts;
END $$;

REVOKE EXECUTE ON FUNCTION backup.refuse_when_erased(regclass) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION backup.request_erasure(uuid, text, text, boolean) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION backup.order_own_erasure(uuid, boolean) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION backup.begin_erasure(uuid, bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION backup.forget_organization(text, text) FROM PUBLIC;

CREATE FUNCTION backup.grant_erasure_rights() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wedsync_backup_facade') THEN RETURN; END IF;
  GRANT SELECT ON backup.backup_erasures TO wedsync_backup_facade;
  GRANT EXECUTE ON FUNCTION backup.order_own_erasure(uuid, boolean) TO wedsync_backup_facade;
END $$;
REVOKE EXECUTE ON FUNCTION backup.grant_erasure_rights() FROM PUBLIC;
SELECT backup.grant_erasure_rights();

-- Down Migration
DROP FUNCTION backup.grant_erasure_rights();
DROP FUNCTION backup.forget_organization(text, text);
DROP FUNCTION backup.begin_erasure(uuid, bigint);
DROP FUNCTION backup.order_own_erasure(uuid, boolean);
DROP FUNCTION backup.request_erasure(uuid, text, text, boolean);
DROP FUNCTION backup.refuse_when_erased(regclass);
DROP FUNCTION backup.refuse_erased() CASCADE;
DROP TABLE backup.backup_erasures;

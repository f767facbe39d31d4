-- Up Migration
-- Restores through the facade: it may order them for the organization that its session is bound to, and read all of them
-- but the sealed URL of another database. Their changes are audited without keys of records (they may be personal),
-- without that URL, and without the long reports that the row itself keeps.
CREATE OR REPLACE FUNCTION backup.record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  left_out text[] := ARRAY['stages', 'records', 'target_sealed', 'drift', 'differences', 'applied', 'files', 'proofs', 'rules', 'notes', 'rollback'];
  old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - left_out END;
  new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - left_out END;
  kept jsonb := coalesce(new_row, old_row);
  binding jsonb := backup.session_binding();
  -- A session that is not bound is a worker or the command line, under the owner's rights.
  actor text := coalesce(binding ->> 'actor', nullif(current_setting('wedsync.actor', true), ''), kept ->> 'requested_by', session_user);
BEGIN
  IF TG_OP = 'UPDATE' THEN
    SELECT coalesce(jsonb_object_agg(o.key, o.value), '{}') , coalesce(jsonb_object_agg(o.key, new_row -> o.key), '{}')
      INTO old_row, new_row
      FROM jsonb_each(old_row) o WHERE o.value IS DISTINCT FROM new_row -> o.key;
    IF new_row = '{}' THEN RETURN NULL; END IF;
  END IF;
  PERFORM backup.write_audit(
    kept ->> 'organization_id', actor, coalesce(binding ->> 'role', 'system'), TG_TABLE_NAME || '.' || lower(TG_OP),
    coalesce(kept ->> 'id', kept ->> 'job_id', kept ->> 'policy_id', kept ->> 'organization_id'), 'done', NULL, NULL,
    jsonb_build_object('before', old_row, 'after', new_row));
  RETURN NULL;
END $$;
SELECT backup.audit_table('backup.backup_restores');

CREATE INDEX backup_restores_by_page ON backup.backup_restores (organization_id, requested_at DESC, id DESC);

CREATE FUNCTION backup.grant_restore_rights() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wedsync_backup_facade') THEN RETURN; END IF;
  REVOKE ALL ON backup.backup_restores FROM wedsync_backup_facade;
  EXECUTE (
    SELECT format('GRANT SELECT (%s) ON backup.backup_restores TO wedsync_backup_facade', string_agg(quote_ident(attname), ', '))
    FROM pg_attribute WHERE attrelid = 'backup.backup_restores'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'target_sealed');
  GRANT INSERT ON backup.backup_restores TO wedsync_backup_facade;
END $$;
REVOKE EXECUTE ON FUNCTION backup.grant_restore_rights() FROM PUBLIC;
SELECT backup.grant_facade_rights();
SELECT backup.grant_restore_rights();

-- Down Migration
DROP FUNCTION backup.grant_restore_rights();
DROP INDEX backup.backup_restores_by_page;
DROP TRIGGER record_change ON backup.backup_restores;

-- Up Migration
-- What workflows do, in the audit log under names of its own: that a run began, and how it ended. Written by the statement
-- that changes the control row, in its transaction: a run whose entry can't be written does not begin, and has not ended.
-- Beside it stands what changed in the row (record_change), as for every other row. The trigger's name comes first in the
-- alphabet, so that a row's change follows what was done.
CREATE FUNCTION backup.record_operation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  new_row jsonb := to_jsonb(NEW);
  old_row jsonb := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) ELSE '{}' END;
  action text := TG_ARGV[0];
  actor text := coalesce(new_row ->> 'requested_by', session_user);
  status text := new_row ->> 'status';
  outcome text;
BEGIN
  IF TG_TABLE_NAME = 'backup_verification_results' THEN
    outcome := CASE WHEN (new_row ->> 'proven')::boolean THEN 'done' ELSE 'failed' END;
  ELSIF status = 'rolled_back' THEN
    action := 'restore.rollback';
    actor := coalesce(new_row ->> 'rolled_back_by', actor);
    outcome := 'done';
  ELSE
    outcome := CASE
      WHEN status IN ('completed', 'incomplete', 'applied', 'previewed') THEN 'done'
      WHEN status IN ('failed', 'cancelled') THEN 'failed'
      WHEN TG_OP = 'INSERT' THEN 'allowed'
    END;
  END IF;
  IF outcome IS NULL OR status = old_row ->> 'status' THEN RETURN NULL; END IF;
  PERFORM backup.write_audit(
    new_row ->> 'organization_id', actor, 'system', action, coalesce(new_row ->> 'job_id', new_row ->> 'id'), outcome, NULL, NULL,
    jsonb_strip_nulls(jsonb_build_object(
      'status', status, 'code', new_row ->> 'error_code', 'policyId', new_row ->> 'policy_id', 'trigger', new_row ->> 'trigger',
      'level', new_row ->> 'level', 'dryRun', new_row -> 'dry_run')));
  RETURN NULL;
END $$;

CREATE TRIGGER operation AFTER INSERT OR UPDATE OF status ON backup.backup_jobs
  FOR EACH ROW EXECUTE FUNCTION backup.record_operation('backup.run');
CREATE TRIGGER operation AFTER INSERT OR UPDATE OF status ON backup.backup_restores
  FOR EACH ROW EXECUTE FUNCTION backup.record_operation('restore.run');
CREATE TRIGGER operation AFTER INSERT ON backup.backup_verification_results
  FOR EACH ROW EXECUTE FUNCTION backup.record_operation('verification.run');

-- Down Migration
DROP TRIGGER operation ON backup.backup_jobs;
DROP TRIGGER operation ON backup.backup_restores;
DROP TRIGGER operation ON backup.backup_verification_results;
DROP FUNCTION backup.record_operation();

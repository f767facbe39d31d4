-- Up Migration
-- The rights of the facade's role are granted by several functions, and by their order: grant_facade_rights() would open a
-- column that grant_restore_rights() closes again. Where an administrator makes the role after the migrations, this one
-- function is what the owner runs. Run it again after a restore of the control tables from a dump without privileges, too.
CREATE FUNCTION backup.grant_all_facade_rights() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wedsync_backup_facade') THEN
    RAISE EXCEPTION 'there is no role wedsync_backup_facade yet: an administrator must make it first';
  END IF;
  PERFORM backup.grant_facade_rights();
  PERFORM backup.grant_restore_rights();
  PERFORM backup.grant_legal_hold_rights();
  PERFORM backup.grant_retention_rights();
  PERFORM backup.grant_erasure_rights();
  PERFORM backup.grant_notification_rights();
END $$;
REVOKE EXECUTE ON FUNCTION backup.grant_all_facade_rights() FROM PUBLIC;

-- Down Migration
DROP FUNCTION backup.grant_all_facade_rights();

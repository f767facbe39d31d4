-- Up Migration
-- A legal hold keeps everything of an organization's backups: no retention rule and no erasure removes any of it until the
-- hold is lifted. Who set and who lifted it stands in the audit log.
CREATE TABLE backup.legal_holds (
  organization_id text PRIMARY KEY,
  reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  requested_by text NOT NULL,
  placed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE backup.legal_holds IS 'Organizations of whose backups nothing may be removed; lifted by deleting the row';
SELECT backup.protect_table('backup.legal_holds'), backup.audit_table('backup.legal_holds');

CREATE FUNCTION backup.grant_legal_hold_rights() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wedsync_backup_facade') THEN RETURN; END IF;
  GRANT SELECT, INSERT, UPDATE, DELETE ON backup.legal_holds TO wedsync_backup_facade;
END $$;
REVOKE EXECUTE ON FUNCTION backup.grant_legal_hold_rights() FROM PUBLIC;
SELECT backup.grant_legal_hold_rights();

-- Down Migration
DROP FUNCTION backup.grant_legal_hold_rights();
DROP TABLE backup.legal_holds;

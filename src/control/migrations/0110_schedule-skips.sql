-- Up Migration
-- Runs that a policy's Temporal Schedule did not start at all: no workflow ran that could have said so. Temporal counts
-- them; what it has counted since the last look goes into the audit log in the statement that stores the new counts, so
-- that nothing is told twice, and nothing is lost where the entry can't be written.
CREATE TABLE backup.schedule_skips (
  policy_id uuid NOT NULL REFERENCES backup.backup_policies ON DELETE CASCADE,
  kind text NOT NULL CHECK (kind IN ('backup', 'verification')),
  organization_id text NOT NULL,
  still_running bigint NOT NULL,
  missed bigint NOT NULL,
  counted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (policy_id, kind)
);
COMMENT ON TABLE backup.schedule_skips IS 'How many runs Temporal''s schedule of a policy did not start, as counted last';
COMMENT ON COLUMN backup.schedule_skips.still_running IS 'The run before it was still going on';
COMMENT ON COLUMN backup.schedule_skips.missed IS 'Temporal was away for longer than the policy catches up';
CREATE INDEX schedule_skips_by_organization ON backup.schedule_skips (organization_id);
SELECT backup.protect_table('backup.schedule_skips');

CREATE FUNCTION backup.record_schedule_skips() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  still_running bigint := NEW.still_running;
  missed bigint := NEW.missed;
BEGIN
  -- Less than before: the schedule was made anew, and counts from nothing.
  IF TG_OP = 'UPDATE' AND NEW.still_running >= OLD.still_running AND NEW.missed >= OLD.missed THEN
    still_running := NEW.still_running - OLD.still_running;
    missed := NEW.missed - OLD.missed;
  END IF;
  IF still_running + missed = 0 THEN RETURN NULL; END IF;
  PERFORM backup.write_audit(
    NEW.organization_id, NEW.policy_id::text, 'system', CASE NEW.kind WHEN 'backup' THEN 'policy.run' ELSE 'verification.run' END,
    NEW.policy_id::text, 'refused', NULL, NULL,
    jsonb_strip_nulls(jsonb_build_object('stillRunning', nullif(still_running, 0), 'missed', nullif(missed, 0))));
  RETURN NULL;
END $$;
CREATE TRIGGER record_schedule_skips AFTER INSERT OR UPDATE ON backup.schedule_skips
  FOR EACH ROW EXECUTE FUNCTION backup.record_schedule_skips();

-- For a role that is made later, grant_facade_rights() finds the table by itself.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'wedsync_backup_facade') THEN
    GRANT SELECT ON backup.schedule_skips TO wedsync_backup_facade;
  END IF;
END $$;

-- Down Migration
DROP TABLE backup.schedule_skips;
DROP FUNCTION backup.record_schedule_skips();

-- Up Migration
-- Which job a trigger started, where that is known when it is asked for (at once, not at a time).
ALTER TABLE backup.backup_triggers ADD COLUMN job_id uuid;

-- Down Migration
ALTER TABLE backup.backup_triggers DROP COLUMN job_id;

-- Up Migration
CREATE TABLE backup.backup_restores (
  id uuid PRIMARY KEY,
  organization_id text NOT NULL,
  target_organization_id text NOT NULL,
  target text NOT NULL DEFAULT 'source' CHECK (target IN ('source', 'other')),
  target_sealed text,
  workflow_id text NOT NULL,
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  choice jsonb NOT NULL,
  data_sets text[],
  tables text[],
  records jsonb,
  strategy text NOT NULL CHECK (strategy IN ('overwrite', 'skip', 'merge', 'prompt')),
  live_only text NOT NULL CHECK (live_only IN ('keep', 'mirror')),
  dry_run boolean NOT NULL DEFAULT false,
  status text NOT NULL DEFAULT 'requested'
    CHECK (status IN ('requested', 'running', 'waiting', 'applied', 'previewed', 'rolled_back', 'failed', 'cancelled')),
  waits_for text,
  waits_until timestamptz,
  backup_id uuid,
  backup_sequence integer,
  backup_taken_at timestamptz,
  pre_restore_sequence integer,
  drift jsonb NOT NULL DEFAULT '[]',
  differences jsonb NOT NULL DEFAULT '[]',
  applied jsonb NOT NULL DEFAULT '[]',
  files jsonb,
  proofs jsonb NOT NULL DEFAULT '[]',
  rules jsonb NOT NULL DEFAULT '[]',
  notes jsonb NOT NULL DEFAULT '[]',
  decided_by_default integer NOT NULL DEFAULT 0,
  locked_ms integer,
  restored_rows bigint,
  restore_seconds double precision,
  started_at timestamptz,
  finished_at timestamptz,
  rolled_back_at timestamptz,
  rolled_back_by text,
  rollback jsonb,
  error_code text,
  error_message text
);
COMMENT ON TABLE backup.backup_restores IS 'Every restore: what was asked, what it found, what it did, how it ended';
COMMENT ON COLUMN backup.backup_restores.records IS 'Keys of single records; they may be personal, and never enter workflow history';
COMMENT ON COLUMN backup.backup_restores.target_sealed IS 'URL of another database, sealed with a key from BACKUP_ENCRYPTION_KEY';
COMMENT ON COLUMN backup.backup_restores.restore_seconds IS 'From the start of staging to the validated commit, without waiting for people';
CREATE INDEX backup_restores_by_organization ON backup.backup_restores (organization_id, requested_at DESC);
CREATE INDEX backup_restores_open ON backup.backup_restores (status, requested_at DESC);

CREATE TABLE backup.backup_restore_files (
  organization_id text NOT NULL,
  restore_id uuid NOT NULL REFERENCES backup.backup_restores ON DELETE CASCADE,
  path text NOT NULL,
  change text NOT NULL CHECK (change IN ('created', 'replaced')),
  sha256 text NOT NULL,
  PRIMARY KEY (restore_id, path)
);
COMMENT ON TABLE backup.backup_restore_files IS 'Files that a restore put back, so that a rollback can undo them';

ALTER TABLE backup.backup_jobs DROP CONSTRAINT backup_jobs_trigger_check;
ALTER TABLE backup.backup_jobs ADD CONSTRAINT backup_jobs_trigger_check CHECK (trigger IN ('schedule', 'manual', 'cli', 'restore'));

ALTER TABLE backup.backup_policies DROP CONSTRAINT backup_policies_proof_check;
ALTER TABLE backup.backup_policies
  ADD CONSTRAINT backup_policies_proof_check CHECK (proof IN ('none', 'integrity', 'content', 'consistency', 'restore')),
  ADD COLUMN verify_cron text,
  ADD COLUMN verify_level text NOT NULL DEFAULT 'restore' CHECK (verify_level IN ('integrity', 'content', 'consistency', 'restore')),
  ADD COLUMN verify_nights integer NOT NULL DEFAULT 7 CHECK (verify_nights BETWEEN 1 AND 366);
COMMENT ON COLUMN backup.backup_policies.verify_cron IS 'When backups are verified, apart from when they are made; NULL = only when made';
COMMENT ON COLUMN backup.backup_policies.verify_nights IS 'Within so many runs of verify_cron every stored byte is read once';

ALTER TABLE backup.backup_verification_results DROP CONSTRAINT backup_verification_results_level_check;
ALTER TABLE backup.backup_verification_results
  ADD CONSTRAINT backup_verification_results_level_check CHECK (level IN ('integrity', 'content', 'consistency', 'restore')),
  ADD COLUMN backup_sequence integer,
  ADD COLUMN row_count bigint,
  ADD COLUMN restore_seconds double precision,
  ADD COLUMN rules jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN backup.backup_verification_results.restore_seconds IS 'Measured by a restore test: the recovery time that was shown';
CREATE INDEX backup_verification_results_by_organization ON backup.backup_verification_results (organization_id, finished_at DESC);

-- Down Migration
DROP INDEX backup.backup_verification_results_by_organization;
DELETE FROM backup.backup_verification_results WHERE level = 'consistency';
ALTER TABLE backup.backup_verification_results DROP CONSTRAINT backup_verification_results_level_check;
ALTER TABLE backup.backup_verification_results
  ADD CONSTRAINT backup_verification_results_level_check CHECK (level IN ('integrity', 'content', 'restore')),
  DROP COLUMN backup_sequence, DROP COLUMN row_count, DROP COLUMN restore_seconds, DROP COLUMN rules;
UPDATE backup.backup_policies SET proof = 'content' WHERE proof IN ('consistency', 'restore');
ALTER TABLE backup.backup_policies DROP CONSTRAINT backup_policies_proof_check;
ALTER TABLE backup.backup_policies
  ADD CONSTRAINT backup_policies_proof_check CHECK (proof IN ('none', 'integrity', 'content')),
  DROP COLUMN verify_cron, DROP COLUMN verify_level, DROP COLUMN verify_nights;
UPDATE backup.backup_jobs SET trigger = 'manual' WHERE trigger = 'restore';
ALTER TABLE backup.backup_jobs DROP CONSTRAINT backup_jobs_trigger_check;
ALTER TABLE backup.backup_jobs ADD CONSTRAINT backup_jobs_trigger_check CHECK (trigger IN ('schedule', 'manual', 'cli'));
DROP TABLE backup.backup_restore_files, backup.backup_restores;

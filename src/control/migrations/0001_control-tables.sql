-- Up Migration
-- Every table carries organization_id, so that row-level security, audit triggers and views can be added by later
-- migrations. No extension and no superuser is needed.
CREATE TABLE backup.backup_policies (
  id uuid PRIMARY KEY,
  organization_id text NOT NULL,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  cron text NOT NULL,
  time_zone text NOT NULL DEFAULT 'UTC',
  jitter_seconds integer NOT NULL DEFAULT 300 CHECK (jitter_seconds BETWEEN 0 AND 21600),
  catchup_seconds integer NOT NULL DEFAULT 21600 CHECK (catchup_seconds BETWEEN 60 AND 604800),
  proof text NOT NULL DEFAULT 'content' CHECK (proof IN ('none', 'integrity', 'content')),
  data_sets text[],
  retention jsonb NOT NULL DEFAULT '{}',
  paused boolean NOT NULL DEFAULT false,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (organization_id, name)
);
COMMENT ON TABLE backup.backup_policies IS 'When an organization is backed up, what of it, and how the backup is proven';

CREATE TABLE backup.backup_jobs (
  id uuid PRIMARY KEY,
  organization_id text NOT NULL,
  policy_id uuid,
  trigger text NOT NULL CHECK (trigger IN ('schedule', 'manual', 'cli')),
  requested_by text NOT NULL,
  status text NOT NULL CHECK (status IN ('running', 'completed', 'incomplete', 'failed', 'cancelled')),
  workflow_id text NOT NULL,
  data_sets text[],
  proof text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  sequence integer,
  manifest_hash text,
  row_count bigint,
  raw_bytes bigint,
  stored_bytes bigint,
  reused_bytes bigint,
  file_count integer,
  missing_files integer,
  restarts integer,
  stages jsonb NOT NULL DEFAULT '{}',
  error_code text,
  error_message text
);
COMMENT ON TABLE backup.backup_jobs IS 'Every backup run; its id is the backup''s id';
COMMENT ON COLUMN backup.backup_jobs.stages IS 'Resource figures for each stage: wallMs, cpuMs, bytesIn, bytesOut, calls';
CREATE INDEX backup_jobs_by_organization ON backup.backup_jobs (organization_id, started_at DESC);
CREATE INDEX backup_jobs_by_status ON backup.backup_jobs (status, started_at DESC);

CREATE TABLE backup.backup_verification_results (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id text NOT NULL,
  job_id uuid NOT NULL,
  level text NOT NULL CHECK (level IN ('integrity', 'content', 'restore')),
  proven boolean NOT NULL,
  objects bigint NOT NULL,
  bytes bigint NOT NULL,
  problems jsonb NOT NULL DEFAULT '[]',
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE backup.backup_verification_results IS 'What was proven of which backup, and what was found wrong';
CREATE INDEX backup_verification_results_by_job ON backup.backup_verification_results (job_id);

CREATE TABLE backup.backup_dependencies (
  organization_id text NOT NULL,
  policy_id uuid NOT NULL REFERENCES backup.backup_policies ON DELETE CASCADE,
  depends_on_policy_id uuid NOT NULL REFERENCES backup.backup_policies ON DELETE CASCADE,
  PRIMARY KEY (policy_id, depends_on_policy_id),
  CHECK (policy_id <> depends_on_policy_id)
);
COMMENT ON TABLE backup.backup_dependencies IS 'A policy waits for another''s backup';

CREATE SEQUENCE backup.fencing_tokens;
CREATE TABLE backup.backup_leases (
  organization_id text PRIMARY KEY,
  operation text NOT NULL,
  holder uuid NOT NULL,
  fencing_token bigint NOT NULL,
  expires_at timestamptz NOT NULL
);
COMMENT ON TABLE backup.backup_leases IS 'One operation on an organization at a time; a later holder has a higher token';

-- Down Migration
DROP TABLE backup.backup_leases, backup.backup_dependencies, backup.backup_verification_results, backup.backup_jobs, backup.backup_policies;
DROP SEQUENCE backup.fencing_tokens;

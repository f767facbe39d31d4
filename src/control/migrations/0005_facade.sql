-- Up Migration
-- What the facade keeps and asks: triggers by hand, idempotency keys, rate limits, each organization's status, indexes for
-- its lists, and views for monitoring.

CREATE TABLE backup.backup_triggers (
  id uuid PRIMARY KEY,
  organization_id text NOT NULL,
  policy_id uuid,
  data_sets text[],
  proof text NOT NULL CHECK (proof IN ('none', 'integrity', 'content')),
  run_at timestamptz NOT NULL,
  purpose text NOT NULL,
  requested_by text NOT NULL,
  workflow_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE backup.backup_triggers IS 'Backups that somebody asked for by hand, at once or at a time';
CREATE INDEX backup_triggers_by_organization ON backup.backup_triggers (organization_id, created_at DESC, id DESC);
SELECT backup.protect_table('backup.backup_triggers'), backup.audit_table('backup.backup_triggers');

CREATE TABLE backup.idempotency_keys (
  organization_id text NOT NULL,
  actor text NOT NULL,
  key text NOT NULL,
  request_hash text NOT NULL,
  answer jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, actor, key)
);
COMMENT ON TABLE backup.idempotency_keys IS 'Requests with an Idempotency-Key and their answers, kept for a day';
CREATE INDEX idempotency_keys_by_age ON backup.idempotency_keys (created_at);
SELECT backup.protect_table('backup.idempotency_keys');

-- The columns that rate-limiter-flexible works with. No organization_id: the limiter asks as the tables' owner, and the
-- facade's role has no right here, so that no session can give itself more.
CREATE TABLE backup.rate_limits (
  key varchar(255) PRIMARY KEY,
  points integer NOT NULL DEFAULT 0,
  expire bigint
);
COMMENT ON TABLE backup.rate_limits IS 'Points used in the current window, where REDIS_URL is not set';

-- One row for an organization, kept by triggers, so that "how is everybody" costs as many rows as there are organizations
-- and not as many as there are jobs.
CREATE TABLE backup.organization_status (
  organization_id text PRIMARY KEY,
  last_job_id uuid,
  last_status text,
  last_started_at timestamptz,
  last_good_job_id uuid,
  last_good_sequence integer,
  last_good_at timestamptz,
  last_failed_at timestamptz,
  last_error_code text,
  failures_since_good integer NOT NULL DEFAULT 0,
  last_proven_job_id uuid,
  last_proven_level text,
  last_proven_at timestamptz,
  jobs_started bigint NOT NULL DEFAULT 0,
  jobs_good bigint NOT NULL DEFAULT 0,
  jobs_failed bigint NOT NULL DEFAULT 0,
  stored_bytes bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE backup.organization_status IS 'How each organization is protected; follows backup_jobs and backup_verification_results';
COMMENT ON COLUMN backup.organization_status.last_good_at IS 'When the last good backup began: what changed before is in it';
SELECT backup.protect_table('backup.organization_status');

CREATE FUNCTION backup.follow_job() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO backup.organization_status AS s (organization_id, last_job_id, last_status, last_started_at, jobs_started)
      VALUES (NEW.organization_id, NEW.id, NEW.status, NEW.started_at, 1)
      ON CONFLICT (organization_id) DO UPDATE SET last_job_id = NEW.id, last_status = NEW.status, last_started_at = NEW.started_at, jobs_started = s.jobs_started + 1;
  END IF;
  IF NEW.status = 'running' OR (TG_OP = 'UPDATE' AND OLD.status = NEW.status) THEN RETURN NULL; END IF;
  UPDATE backup.organization_status s SET last_status = NEW.status WHERE s.organization_id = NEW.organization_id AND s.last_job_id = NEW.id;
  IF NEW.status IN ('completed', 'incomplete') THEN
    UPDATE backup.organization_status s
      SET last_good_job_id = NEW.id, last_good_sequence = NEW.sequence, last_good_at = NEW.started_at, failures_since_good = 0,
          jobs_good = s.jobs_good + 1, stored_bytes = s.stored_bytes + coalesce(NEW.stored_bytes, 0)
      WHERE s.organization_id = NEW.organization_id;
  ELSIF NEW.status = 'failed' THEN
    UPDATE backup.organization_status s
      SET last_failed_at = coalesce(NEW.finished_at, now()), last_error_code = NEW.error_code, failures_since_good = s.failures_since_good + 1,
          jobs_failed = s.jobs_failed + 1
      WHERE s.organization_id = NEW.organization_id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER follow_job AFTER INSERT OR UPDATE OF status ON backup.backup_jobs FOR EACH ROW EXECUTE FUNCTION backup.follow_job();

CREATE FUNCTION backup.follow_verification() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.proven THEN
    INSERT INTO backup.organization_status (organization_id, last_proven_job_id, last_proven_level, last_proven_at)
      VALUES (NEW.organization_id, NEW.job_id, NEW.level, NEW.finished_at)
      ON CONFLICT (organization_id) DO UPDATE
        SET last_proven_job_id = NEW.job_id, last_proven_level = NEW.level, last_proven_at = NEW.finished_at;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER follow_verification AFTER INSERT ON backup.backup_verification_results FOR EACH ROW EXECUTE FUNCTION backup.follow_verification();

-- For what an older version has recorded.
INSERT INTO backup.organization_status (organization_id, jobs_started, jobs_good, jobs_failed, stored_bytes, last_failed_at)
  SELECT organization_id, count(*), count(*) FILTER (WHERE status IN ('completed', 'incomplete')), count(*) FILTER (WHERE status = 'failed'),
         coalesce(sum(stored_bytes), 0), max(finished_at) FILTER (WHERE status = 'failed')
  FROM backup.backup_jobs GROUP BY organization_id;
UPDATE backup.organization_status s SET last_job_id = j.id, last_status = j.status, last_started_at = j.started_at
  FROM (SELECT DISTINCT ON (organization_id) * FROM backup.backup_jobs ORDER BY organization_id, started_at DESC) j WHERE j.organization_id = s.organization_id;
UPDATE backup.organization_status s SET last_good_job_id = j.id, last_good_sequence = j.sequence, last_good_at = j.started_at
  FROM (SELECT DISTINCT ON (organization_id) * FROM backup.backup_jobs WHERE status IN ('completed', 'incomplete') ORDER BY organization_id, started_at DESC) j
  WHERE j.organization_id = s.organization_id;
UPDATE backup.organization_status s SET last_proven_job_id = v.job_id, last_proven_level = v.level, last_proven_at = v.finished_at
  FROM (SELECT DISTINCT ON (organization_id) * FROM backup.backup_verification_results WHERE proven ORDER BY organization_id, finished_at DESC) v
  WHERE v.organization_id = s.organization_id;

-- Lists go page by page after (started_at, id); each filter of the facade has the index that gives its order.
DROP INDEX backup.backup_jobs_by_organization;
CREATE INDEX backup_jobs_by_organization ON backup.backup_jobs (organization_id, started_at DESC, id DESC);
CREATE INDEX backup_jobs_by_organization_status ON backup.backup_jobs (organization_id, status, started_at DESC, id DESC);
CREATE INDEX backup_jobs_by_organization_policy ON backup.backup_jobs (organization_id, policy_id, started_at DESC, id DESC);
CREATE INDEX backup_jobs_by_organization_sequence ON backup.backup_jobs (organization_id, sequence DESC) WHERE manifest_hash IS NOT NULL;
CREATE INDEX backup_jobs_by_time ON backup.backup_jobs (started_at DESC, id DESC);
DROP INDEX backup.backup_verification_results_by_organization;
CREATE INDEX backup_verification_results_by_organization ON backup.backup_verification_results (organization_id, finished_at DESC, id DESC);

-- The longest time between two runs of the policy's cron line; null when it was never worked out.
ALTER TABLE backup.backup_policies ADD COLUMN longest_gap_seconds integer CHECK (longest_gap_seconds > 0);

CREATE VIEW backup.last_good_backups WITH (security_invoker = true) AS
  SELECT organization_id, last_good_job_id, last_good_sequence, last_good_at, now() - last_good_at AS age, last_proven_at, last_proven_level, failures_since_good
  FROM backup.organization_status;
CREATE VIEW backup.success_rates WITH (security_invoker = true) AS
  SELECT organization_id, jobs_started, jobs_good, jobs_failed,
         CASE WHEN jobs_good + jobs_failed > 0 THEN round(100.0 * jobs_good / (jobs_good + jobs_failed), 2) END AS success_percent
  FROM backup.organization_status;
CREATE VIEW backup.storage_used WITH (security_invoker = true) AS
  SELECT organization_id, stored_bytes FROM backup.organization_status;
-- Due by the cron line and the time that catching up may take, and yet no good backup. A policy without a known gap
-- counts as nightly.
CREATE VIEW backup.overdue_policies WITH (security_invoker = true) AS
  SELECT p.organization_id, p.id AS policy_id, p.name, s.last_good_at,
         greatest(coalesce(s.last_good_at, p.created_at), p.updated_at)
           + make_interval(secs => coalesce(p.longest_gap_seconds, 86400) + p.jitter_seconds + p.catchup_seconds) AS overdue_since
  FROM backup.backup_policies p LEFT JOIN backup.organization_status s USING (organization_id)
  WHERE NOT p.paused
    AND greatest(coalesce(s.last_good_at, p.created_at), p.updated_at)
          + make_interval(secs => coalesce(p.longest_gap_seconds, 86400) + p.jitter_seconds + p.catchup_seconds) < now();

-- Everything that the facade's role may do. Run again after a later migration adds a table.
CREATE FUNCTION backup.grant_facade_rights() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE target regclass;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wedsync_backup_facade') THEN RETURN; END IF;
  GRANT USAGE ON SCHEMA backup TO wedsync_backup_facade;
  FOR target IN
    SELECT c.oid::regclass FROM pg_class c
    WHERE c.relnamespace = 'backup'::regnamespace AND (c.relkind = 'v' OR c.relrowsecurity)
  LOOP
    EXECUTE format('GRANT SELECT ON %s TO wedsync_backup_facade', target);
  END LOOP;
  GRANT INSERT, UPDATE, DELETE ON backup.backup_policies, backup.idempotency_keys TO wedsync_backup_facade;
  GRANT INSERT ON backup.backup_triggers TO wedsync_backup_facade;
  GRANT EXECUTE ON FUNCTION backup.append_audit(text, text, text, text, text, jsonb) TO wedsync_backup_facade;
END $$;
REVOKE EXECUTE ON FUNCTION backup.grant_facade_rights() FROM PUBLIC;

DO $$
BEGIN
  PERFORM backup.grant_facade_rights();
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'wedsync_backup_facade') AND NOT pg_has_role(current_user, 'wedsync_backup_facade', 'USAGE') THEN
    EXECUTE format('GRANT wedsync_backup_facade TO %I', current_user);
  END IF;
EXCEPTION
  WHEN insufficient_privilege THEN RAISE NOTICE 'an administrator must run: GRANT wedsync_backup_facade TO %', current_user;
END $$;

-- Down Migration
DROP FUNCTION backup.grant_facade_rights();
DROP VIEW backup.overdue_policies, backup.storage_used, backup.success_rates, backup.last_good_backups;
ALTER TABLE backup.backup_policies DROP COLUMN longest_gap_seconds;
DROP INDEX backup.backup_jobs_by_organization, backup.backup_jobs_by_organization_status, backup.backup_jobs_by_organization_policy,
  backup.backup_jobs_by_organization_sequence, backup.backup_jobs_by_time, backup.backup_verification_results_by_organization;
CREATE INDEX backup_jobs_by_organization ON backup.backup_jobs (organization_id, started_at DESC);
CREATE INDEX backup_verification_results_by_organization ON backup.backup_verification_results (organization_id, finished_at DESC);
DROP TRIGGER follow_verification ON backup.backup_verification_results;
DROP TRIGGER follow_job ON backup.backup_jobs;
DROP FUNCTION backup.follow_verification();
DROP FUNCTION backup.follow_job();
DROP TABLE backup.organization_status, backup.rate_limits, backup.idempotency_keys, backup.backup_triggers;

-- Up Migration
-- Retention: what a policy keeps (backup_policies.retention), which backups were let go, runs that prune, and who reads
-- which backup right now.
ALTER TABLE backup.backup_policies ADD CONSTRAINT backup_policies_retention_check CHECK (jsonb_typeof(retention) = 'object');
COMMENT ON COLUMN backup.backup_policies.retention IS 'How many of its backups are kept, by each rule; {} keeps everything';

ALTER TABLE backup.backup_jobs ADD COLUMN released_at timestamptz;
COMMENT ON COLUMN backup.backup_jobs.released_at IS 'When retention let the backup go; it is listed no longer';

CREATE TABLE backup.backup_prunes (
  id uuid PRIMARY KEY,
  organization_id text NOT NULL,
  workflow_id text NOT NULL,
  requested_by text NOT NULL,
  status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed')),
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  kept integer,
  released integer[] NOT NULL DEFAULT '{}',
  quarantined_packs integer,
  removed_packs integer,
  removed_bytes bigint,
  sweep_due_at timestamptz,
  error_code text,
  error_message text
);
COMMENT ON TABLE backup.backup_prunes IS 'Every run of retention: what it let go, and what it removed from the store';
COMMENT ON COLUMN backup.backup_prunes.sweep_due_at IS 'When the oldest quarantined pack may be removed; NULL = none waits';
CREATE INDEX backup_prunes_by_organization ON backup.backup_prunes (organization_id, started_at DESC);
SELECT backup.protect_table('backup.backup_prunes'), backup.audit_table('backup.backup_prunes');

CREATE TABLE backup.backup_reads (
  organization_id text NOT NULL,
  sequence integer NOT NULL,
  reader text NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, sequence, reader)
);
COMMENT ON TABLE backup.backup_reads IS 'Backups that a verification or a download reads right now: retention leaves them alone';
SELECT backup.protect_table('backup.backup_reads');

-- False when retention has let the backup go: then it must not be read any more. Under the same lock as claim_release, so
-- that one of the two comes first.
CREATE FUNCTION backup.hold_backup(organization text, backup_sequence integer, reader_name text, seconds integer) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('backup.release ' || organization, 0));
  IF EXISTS (SELECT 1 FROM backup.backup_jobs j WHERE j.organization_id = organization AND j.sequence = backup_sequence AND j.released_at IS NOT NULL)
  THEN RETURN false; END IF;
  INSERT INTO backup.backup_reads AS r VALUES (organization, backup_sequence, reader_name, now() + make_interval(secs => seconds))
    ON CONFLICT (organization_id, sequence, reader) DO UPDATE SET expires_at = greatest(r.expires_at, excluded.expires_at);
  RETURN true;
END $$;

-- What the facade's role may call: the organization is that of the signed binding, not of the statement.
CREATE FUNCTION backup.hold_bound_backup(backup_sequence integer, reader_name text, seconds integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN backup.bound_organization() IS NOT NULL
    AND backup.hold_backup(backup.bound_organization(), backup_sequence, reader_name, seconds);
END $$;

-- Which of the sequences may be let go now; NULL when the lease is not this token's any more. A legal hold, a restore that
-- waits, and readers keep theirs. For a moment (two minutes at most) the lease can't be taken by a restore: what it would
-- choose from is about to change.
CREATE FUNCTION backup.claim_release(organization text, token bigint, sequences integer[]) RETURNS integer[]
LANGUAGE plpgsql AS $$
DECLARE
  claimed integer[];
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('backup.release ' || organization, 0));
  UPDATE backup.backup_leases SET operation = 'release', expires_at = now() + interval '2 minutes'
    WHERE organization_id = organization AND fencing_token = token AND operation IN ('prune', 'release');
  IF NOT FOUND THEN RETURN NULL; END IF;
  IF EXISTS (SELECT 1 FROM backup.legal_holds h WHERE h.organization_id = organization) OR backup.restore_waits(organization)
  THEN RETURN '{}'; END IF;
  DELETE FROM backup.backup_reads r WHERE r.organization_id = organization AND r.expires_at < now();
  SELECT coalesce(array_agg(s ORDER BY s), '{}') INTO claimed FROM unnest(sequences) AS s
    WHERE NOT EXISTS (SELECT 1 FROM backup.backup_reads r WHERE r.organization_id = organization AND r.sequence = s);
  PERFORM set_config('wedsync.actor', 'retention', true); -- for the audit log: not whoever asked for the backup
  UPDATE backup.backup_jobs j SET released_at = now()
    WHERE j.organization_id = organization AND j.sequence = ANY (claimed) AND j.released_at IS NULL;
  RETURN claimed;
END $$;

-- A restore that has chosen its backup and waits for people, or is about to begin, holds no lease meanwhile.
CREATE FUNCTION backup.restore_waits(organization text) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT 1 FROM backup.backup_restores r
    WHERE r.organization_id = organization
      AND (r.status = 'waiting' AND r.waits_until + interval '1 hour' > now() OR r.status = 'requested' AND r.requested_at > now() - interval '1 day'))
$$;

CREATE FUNCTION backup.grant_retention_rights() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wedsync_backup_facade') THEN RETURN; END IF;
  GRANT SELECT ON backup.backup_prunes, backup.backup_reads TO wedsync_backup_facade;
  GRANT EXECUTE ON FUNCTION backup.hold_bound_backup(integer, text, integer) TO wedsync_backup_facade;
END $$;
REVOKE EXECUTE ON FUNCTION backup.grant_retention_rights() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION backup.hold_backup(text, integer, text, integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION backup.hold_bound_backup(integer, text, integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION backup.claim_release(text, bigint, integer[]) FROM PUBLIC;
SELECT backup.grant_retention_rights();

-- Down Migration
DROP FUNCTION backup.grant_retention_rights();
DROP FUNCTION backup.claim_release(text, bigint, integer[]);
DROP FUNCTION backup.restore_waits(text);
DROP FUNCTION backup.hold_bound_backup(integer, text, integer);
DROP FUNCTION backup.hold_backup(text, integer, text, integer);
DROP TABLE backup.backup_reads, backup.backup_prunes;
ALTER TABLE backup.backup_jobs DROP COLUMN released_at;
ALTER TABLE backup.backup_policies DROP CONSTRAINT backup_policies_retention_check;

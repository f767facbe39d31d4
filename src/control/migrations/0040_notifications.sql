-- Up Migration
-- Notifications as an outbox: the statement that ends a job also writes down whom to tell, so a worker that dies right after
-- it loses nothing. Workers hand the waiting deliveries to Temporal (src/worker/relay-notifications.ts).
CREATE TABLE backup.notification_channels (
  id uuid PRIMARY KEY,
  organization_id text NOT NULL,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  kind text NOT NULL CHECK (kind IN ('webhook', 'email')),
  events text[] NOT NULL CHECK (cardinality(events) > 0),
  shown text NOT NULL,
  requested_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (organization_id, name)
);
COMMENT ON TABLE backup.notification_channels IS 'Where an organization wants to be told what';
COMMENT ON COLUMN backup.notification_channels.shown IS 'The target without what is secret or personal in it: a host, a masked address';
SELECT backup.protect_table('backup.notification_channels'), backup.audit_table('backup.notification_channels'),
  backup.refuse_when_erased('backup.notification_channels');

-- Apart, and without organization_id: the facade's role has no right here, so that no session can read a target, its own
-- organization's included. It writes one through put_notification_target.
CREATE TABLE backup.notification_targets (
  channel_id uuid PRIMARY KEY REFERENCES backup.notification_channels ON DELETE CASCADE,
  target_sealed text NOT NULL
);
COMMENT ON TABLE backup.notification_targets IS 'URL and signing secret, or addresses, sealed with a key from BACKUP_ENCRYPTION_KEY';

CREATE TABLE backup.notification_deliveries (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id text NOT NULL,
  -- No foreign key: its lock on the channel would let an open transaction of somebody else hold up the end of a backup.
  channel_id uuid NOT NULL,
  channel_name text NOT NULL,
  event text NOT NULL,
  occurrence text NOT NULL,
  subject_id text NOT NULL,
  facts jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'handed', 'delivered', 'failed')),
  handed_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  last_attempt_at timestamptz,
  error_code text,
  error_message text,
  finished_at timestamptz,
  UNIQUE (channel_id, event, occurrence)
);
COMMENT ON TABLE backup.notification_deliveries IS 'What is told to whom, how often it was tried, and how that ended';
COMMENT ON COLUMN backup.notification_deliveries.occurrence IS 'Names what happened: one delivery for each channel and occurrence';
CREATE INDEX notification_deliveries_open ON backup.notification_deliveries (created_at) WHERE status IN ('waiting', 'handed');
CREATE INDEX notification_deliveries_by_page ON backup.notification_deliveries (organization_id, created_at DESC, id DESC);
SELECT backup.protect_table('backup.notification_deliveries');

CREATE FUNCTION backup.enqueue_notifications(organization text, happened text, occurrence text, subject text, facts jsonb) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE queued integer;
BEGIN
  INSERT INTO backup.notification_deliveries (organization_id, channel_id, channel_name, event, occurrence, subject_id, facts)
    SELECT c.organization_id, c.id, c.name, happened, enqueue_notifications.occurrence, subject, jsonb_strip_nulls(enqueue_notifications.facts)
    FROM backup.notification_channels c WHERE c.organization_id = organization AND happened = ANY (c.events)
    ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS queued = ROW_COUNT;
  RETURN queued;
END $$;
REVOKE EXECUTE ON FUNCTION backup.enqueue_notifications(text, text, text, text, jsonb) FROM PUBLIC;

-- The three triggers take every fault upon themselves: a notification must never fail what it tells of. The warning is in
-- the database's log.
CREATE FUNCTION backup.notify_of_job() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM backup.enqueue_notifications(
    NEW.organization_id, 'backup.' || NEW.status, NEW.id::text, NEW.id::text,
    jsonb_build_object('sequence', NEW.sequence, 'trigger', NEW.trigger, 'policyId', NEW.policy_id, 'rows', NEW.row_count,
      'storedBytes', NEW.stored_bytes, 'files', NEW.file_count, 'missingFiles', nullif(NEW.missing_files, 0),
      'seconds', round(extract(epoch FROM NEW.finished_at - NEW.started_at), 1), 'errorCode', NEW.error_code));
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'notifications of job % are lost: %', NEW.id, SQLERRM;
  RETURN NULL;
END $$;
CREATE TRIGGER notify_of_job AFTER UPDATE OF status ON backup.backup_jobs
  FOR EACH ROW WHEN (NEW.status IN ('completed', 'incomplete', 'failed') AND OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION backup.notify_of_job();

CREATE FUNCTION backup.notify_of_verification() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM backup.enqueue_notifications(
    NEW.organization_id, 'verification.failed', NEW.id::text, NEW.job_id::text,
    jsonb_build_object('sequence', NEW.backup_sequence, 'level', NEW.level, 'objects', NEW.objects,
      'problems', jsonb_array_length(NEW.problems)));
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'notifications of verification % are lost: %', NEW.id, SQLERRM;
  RETURN NULL;
END $$;
CREATE TRIGGER notify_of_verification AFTER INSERT ON backup.backup_verification_results
  FOR EACH ROW WHEN (NOT NEW.proven) EXECUTE FUNCTION backup.notify_of_verification();

CREATE FUNCTION backup.notify_of_restore() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  happened text := CASE
    WHEN NEW.error_code IS NOT NULL AND OLD.error_code IS NULL THEN 'restore.failed'
    WHEN NEW.status = 'applied' AND OLD.status <> 'applied' THEN 'restore.completed'
    WHEN NEW.status = 'rolled_back' AND OLD.status <> 'rolled_back' THEN 'restore.rolled_back'
  END;
BEGIN
  IF happened IS NULL OR NEW.status = 'cancelled' THEN RETURN NULL; END IF;
  PERFORM backup.enqueue_notifications(
    NEW.organization_id, happened, NEW.id::text, NEW.id::text,
    jsonb_build_object('sequence', NEW.backup_sequence, 'status', NEW.status, 'rows', NEW.restored_rows,
      'seconds', round(NEW.restore_seconds::numeric, 1), 'errorCode', NEW.error_code));
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'notifications of restore % are lost: %', NEW.id, SQLERRM;
  RETURN NULL;
END $$;
CREATE TRIGGER notify_of_restore AFTER UPDATE OF status ON backup.backup_restores
  FOR EACH ROW EXECUTE FUNCTION backup.notify_of_restore();

-- Said once a day for as long as it lasts. Returns how many deliveries it made.
CREATE FUNCTION backup.notify_of_overdue_policies() RETURNS integer
LANGUAGE sql AS $$
  SELECT coalesce(sum(backup.enqueue_notifications(
    o.organization_id, 'backup.overdue',
    o.policy_id || ' ' || extract(epoch FROM o.overdue_since)::bigint || ' day ' || floor(extract(epoch FROM now() - o.overdue_since) / 86400),
    o.policy_id::text,
    jsonb_build_object('policyId', o.policy_id, 'overdueSince', to_char(o.overdue_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
      'lastGoodAt', to_char(o.last_good_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
  )), 0)::integer FROM backup.overdue_policies o
$$;
REVOKE EXECUTE ON FUNCTION backup.notify_of_overdue_policies() FROM PUBLIC;

-- What the facade's role may call. The row of the channel is under row-level security; a target goes only beside a channel
-- of the organization that the session is bound to, and a test only to such a one.
CREATE FUNCTION backup.put_notification_target(channel uuid, sealed text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO backup.notification_targets (channel_id, target_sealed)
    SELECT c.id, sealed FROM backup.notification_channels c WHERE c.id = channel AND c.organization_id = backup.bound_organization();
  IF NOT FOUND THEN RAISE EXCEPTION 'no such channel' USING ERRCODE = 'insufficient_privilege'; END IF;
END $$;
CREATE FUNCTION backup.test_notification_channel(channel uuid) RETURNS uuid
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO backup.notification_deliveries (organization_id, channel_id, channel_name, event, occurrence, subject_id, facts)
    SELECT c.organization_id, c.id, c.name, 'test', gen_random_uuid()::text, c.id::text, '{}'
    FROM backup.notification_channels c WHERE c.id = channel AND c.organization_id = backup.bound_organization()
    RETURNING id
$$;
REVOKE EXECUTE ON FUNCTION backup.put_notification_target(uuid, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION backup.test_notification_channel(uuid) FROM PUBLIC;

CREATE FUNCTION backup.grant_notification_rights() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wedsync_backup_facade') THEN RETURN; END IF;
  GRANT SELECT, INSERT, DELETE ON backup.notification_channels TO wedsync_backup_facade;
  GRANT SELECT ON backup.notification_deliveries TO wedsync_backup_facade;
  GRANT EXECUTE ON FUNCTION backup.put_notification_target(uuid, text), backup.test_notification_channel(uuid) TO wedsync_backup_facade;
END $$;
REVOKE EXECUTE ON FUNCTION backup.grant_notification_rights() FROM PUBLIC;
SELECT backup.grant_notification_rights();

-- Down Migration
DROP TRIGGER notify_of_job ON backup.backup_jobs;
DROP TRIGGER notify_of_verification ON backup.backup_verification_results;
DROP TRIGGER notify_of_restore ON backup.backup_restores;
DROP FUNCTION backup.grant_notification_rights();
DROP FUNCTION backup.test_notification_channel(uuid);
DROP FUNCTION backup.put_notification_target(uuid, text);
DROP FUNCTION backup.notify_of_overdue_policies();
DROP FUNCTION backup.notify_of_restore();
DROP FUNCTION backup.notify_of_verification();
DROP FUNCTION backup.notify_of_job();
DROP FUNCTION backup.enqueue_notifications(text, text, text, text, jsonb);
DROP TABLE backup.notification_deliveries, backup.notification_targets, backup.notification_channels;

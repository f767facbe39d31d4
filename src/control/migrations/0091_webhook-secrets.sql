-- Up Migration
-- A webhook's signing secret can be changed: the new one stands beside the target, sealed, and for a stated time the one
-- before it signs, too. Null: the secret is the one in target_sealed.
ALTER TABLE backup.notification_targets
  ADD COLUMN secret_sealed text,
  ADD COLUMN old_secret_sealed text,
  ADD COLUMN old_secret_until timestamptz;
COMMENT ON COLUMN backup.notification_targets.secret_sealed IS 'The signing secret since it was changed; null: the one in target_sealed';
COMMENT ON COLUMN backup.notification_targets.old_secret_sealed IS 'The one before it, which signs until old_secret_until; null: the one in target_sealed';

-- For the tables' owner. @returns until when the old secret signs; null where there is no such webhook.
CREATE FUNCTION backup.change_notification_secret(channel uuid, sealed text, overlap_seconds integer) RETURNS timestamptz
LANGUAGE sql AS $$
  UPDATE backup.notification_targets t
    SET old_secret_sealed = t.secret_sealed, old_secret_until = now() + make_interval(secs => overlap_seconds), secret_sealed = sealed
    FROM backup.notification_channels c WHERE c.id = channel AND t.channel_id = c.id AND c.kind = 'webhook'
    RETURNING t.old_secret_until
$$;
-- For the facade's role: a channel of the organization that the session is bound to.
CREATE FUNCTION backup.change_own_notification_secret(channel uuid, sealed text, overlap_seconds integer) RETURNS timestamptz
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT backup.change_notification_secret(c.id, sealed, overlap_seconds)
    FROM backup.notification_channels c WHERE c.id = channel AND c.organization_id = backup.bound_organization()
$$;
REVOKE EXECUTE ON FUNCTION backup.change_notification_secret(uuid, text, integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION backup.change_own_notification_secret(uuid, text, integer) FROM PUBLIC;

CREATE OR REPLACE FUNCTION backup.grant_notification_rights() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wedsync_backup_facade') THEN RETURN; END IF;
  GRANT SELECT, INSERT, DELETE ON backup.notification_channels TO wedsync_backup_facade;
  GRANT SELECT ON backup.notification_deliveries TO wedsync_backup_facade;
  GRANT EXECUTE ON FUNCTION backup.put_notification_target(uuid, text), backup.test_notification_channel(uuid),
    backup.change_own_notification_secret(uuid, text, integer) TO wedsync_backup_facade;
END $$;
SELECT backup.grant_notification_rights();

-- Down Migration
CREATE OR REPLACE FUNCTION backup.grant_notification_rights() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wedsync_backup_facade') THEN RETURN; END IF;
  GRANT SELECT, INSERT, DELETE ON backup.notification_channels TO wedsync_backup_facade;
  GRANT SELECT ON backup.notification_deliveries TO wedsync_backup_facade;
  GRANT EXECUTE ON FUNCTION backup.put_notification_target(uuid, text), backup.test_notification_channel(uuid) TO wedsync_backup_facade;
END $$;
DROP FUNCTION backup.change_own_notification_secret(uuid, text, integer);
DROP FUNCTION backup.change_notification_secret(uuid, text, integer);
ALTER TABLE backup.notification_targets DROP COLUMN secret_sealed, DROP COLUMN old_secret_sealed, DROP COLUMN old_secret_until;

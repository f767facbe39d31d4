-- Up Migration
-- The audit log: append-only, and hash-chained for each organization ('' for what belongs to none), so that a changed,
-- removed or inserted entry shows. One chain for each organization, because a chain is written by one transaction at a
-- time, and a thousand organizations must not wait for each other. `audit_heads` tells where each chain ends.
CREATE TABLE backup.audit_heads (
  chain text PRIMARY KEY,
  position bigint NOT NULL,
  hash text NOT NULL
);
COMMENT ON TABLE backup.audit_heads IS 'Where each chain of the audit log ends';

CREATE TABLE backup.audit_log (
  chain text NOT NULL,
  position bigint NOT NULL,
  at timestamptz NOT NULL,
  organization_id text,
  actor text NOT NULL,
  actor_role text NOT NULL,
  action text NOT NULL,
  subject text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('allowed', 'refused', 'done', 'failed')),
  ip_hash text,
  request_id text,
  details jsonb NOT NULL,
  previous_hash text NOT NULL,
  hash text NOT NULL,
  PRIMARY KEY (chain, position)
);
COMMENT ON TABLE backup.audit_log IS 'Who did, or was refused, what, when; each entry carries the hash of the one before';
COMMENT ON COLUMN backup.audit_log.ip_hash IS 'HMAC-SHA256 of the address, keyed by IP_HASH_SALT';
CREATE INDEX audit_log_by_organization ON backup.audit_log (organization_id, at DESC, position DESC);
CREATE INDEX audit_log_by_time ON backup.audit_log (at DESC);
SELECT backup.protect_table('backup.audit_log');

-- Every field with its length, so that no two entries have the same text. src/control/audit-chain.ts says it again.
CREATE FUNCTION backup.audit_hash(VARIADIC fields text[]) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT encode(sha256(convert_to(string_agg(CASE WHEN field IS NULL THEN '-' ELSE octet_length(field) || ':' || field END, '' ORDER BY place), 'UTF8')), 'hex')
  FROM unnest(fields) WITH ORDINALITY AS each (field, place)
$$;

CREATE FUNCTION backup.write_audit(
  organization text, actor text, actor_role text, action text, subject text, outcome text, ip_hash text, request_id text, details jsonb
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  chain_name text := coalesce(organization, '');
  moment timestamptz;
  head backup.audit_heads;
  entry_hash text;
BEGIN
  INSERT INTO backup.audit_heads VALUES (chain_name, 0, repeat('0', 64)) ON CONFLICT (chain) DO NOTHING;
  SELECT * INTO head FROM backup.audit_heads h WHERE h.chain = chain_name FOR UPDATE;
  moment := clock_timestamp(); -- under the lock, so that time grows with the position
  entry_hash := backup.audit_hash(
    head.hash, chain_name, (head.position + 1)::text, to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), organization,
    actor, actor_role, action, subject, outcome, ip_hash, request_id, details::text);
  INSERT INTO backup.audit_log VALUES (
    chain_name, head.position + 1, moment, organization, actor, actor_role, action, subject, outcome, ip_hash, request_id, details, head.hash, entry_hash);
  UPDATE backup.audit_heads h SET position = head.position + 1, hash = entry_hash WHERE h.chain = chain_name;
END $$;

-- What the facade's role may call: actor and organization are those of the signed binding, not of the statement.
CREATE FUNCTION backup.append_audit(action text, subject text, outcome text, ip_hash text, request_id text, details jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  binding jsonb := backup.session_binding();
BEGIN
  IF binding IS NULL THEN RAISE EXCEPTION 'the session is not bound' USING ERRCODE = 'insufficient_privilege'; END IF;
  PERFORM backup.write_audit(
    binding ->> 'organization', binding ->> 'actor', binding ->> 'role', action, subject, outcome, ip_hash, request_id, details);
END $$;

CREATE FUNCTION backup.refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON backup.audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION backup.refuse_audit_change();

-- Each change of a control row: who, what, before and after. Of an update only the columns that changed. `stages` (the
-- figures of a run) is left out: large, and told by the job itself. Leases are not control rows: they come and go with
-- every run.
CREATE FUNCTION backup.record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - 'stages' END;
  new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - 'stages' END;
  kept jsonb := coalesce(new_row, old_row);
  binding jsonb := backup.session_binding();
  -- A session that is not bound is a worker or the command line, under the owner's rights.
  actor text := coalesce(binding ->> 'actor', nullif(current_setting('wedsync.actor', true), ''), kept ->> 'requested_by', session_user);
BEGIN
  IF TG_OP = 'UPDATE' THEN
    SELECT coalesce(jsonb_object_agg(o.key, o.value), '{}') , coalesce(jsonb_object_agg(o.key, new_row -> o.key), '{}')
      INTO old_row, new_row
      FROM jsonb_each(old_row) o WHERE o.value IS DISTINCT FROM new_row -> o.key;
    IF new_row = '{}' THEN RETURN NULL; END IF;
  END IF;
  PERFORM backup.write_audit(
    kept ->> 'organization_id', actor, coalesce(binding ->> 'role', 'system'), TG_TABLE_NAME || '.' || lower(TG_OP),
    coalesce(kept ->> 'id', kept ->> 'job_id', kept ->> 'policy_id', kept ->> 'organization_id'), 'done', NULL, NULL,
    jsonb_build_object('before', old_row, 'after', new_row));
  RETURN NULL;
END $$;

CREATE FUNCTION backup.audit_table(target regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER record_change AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION backup.record_change()', target);
END $$;
SELECT backup.audit_table('backup.backup_policies');
SELECT backup.audit_table('backup.backup_jobs');
SELECT backup.audit_table('backup.backup_verification_results');
SELECT backup.audit_table('backup.backup_dependencies');

REVOKE EXECUTE ON FUNCTION backup.write_audit(text, text, text, text, text, text, text, text, jsonb) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION backup.append_audit(text, text, text, text, text, jsonb) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION backup.protect_table(regclass) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION backup.audit_table(regclass) FROM PUBLIC;

-- Down Migration
DROP TRIGGER record_change ON backup.backup_policies;
DROP TRIGGER record_change ON backup.backup_jobs;
DROP TRIGGER record_change ON backup.backup_verification_results;
DROP TRIGGER record_change ON backup.backup_dependencies;
DROP FUNCTION backup.audit_table(regclass);
DROP FUNCTION backup.record_change();
DROP FUNCTION backup.append_audit(text, text, text, text, text, jsonb);
DROP FUNCTION backup.write_audit(text, text, text, text, text, text, text, text, jsonb);
DROP TABLE backup.audit_log;
DROP TABLE backup.audit_heads;
DROP FUNCTION backup.refuse_audit_change();
DROP FUNCTION backup.audit_hash(text[]);

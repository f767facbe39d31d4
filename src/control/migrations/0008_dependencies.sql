-- Up Migration
-- Replaces what a policy waits for. False when that would close a circle, or names a policy of another organization: then
-- nothing is changed. One caller at a time, so that two halves of a circle can't be added side by side.
CREATE FUNCTION backup.set_dependencies(policy uuid, prerequisites uuid[]) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  owner text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('backup.backup_dependencies'));
  SELECT organization_id INTO owner FROM backup.backup_policies WHERE id = policy;
  IF owner IS NULL OR EXISTS (
    SELECT 1 FROM unnest(prerequisites) AS wanted (id)
    WHERE NOT EXISTS (SELECT 1 FROM backup.backup_policies p WHERE p.id = wanted.id AND p.organization_id = owner)
  ) THEN RETURN false; END IF;
  IF EXISTS (
    WITH RECURSIVE before AS (
      SELECT unnest(prerequisites) AS id
      UNION
      SELECT d.depends_on_policy_id FROM backup.backup_dependencies d JOIN before b ON d.policy_id = b.id
    ) SELECT 1 FROM before WHERE id = policy
  ) THEN RETURN false; END IF;
  DELETE FROM backup.backup_dependencies WHERE policy_id = policy;
  INSERT INTO backup.backup_dependencies (organization_id, policy_id, depends_on_policy_id)
  SELECT DISTINCT owner, policy, wanted.id FROM unnest(prerequisites) AS wanted (id);
  RETURN true;
END $$;

-- Down Migration
DROP FUNCTION backup.set_dependencies(uuid, uuid[]);

-- Up Migration
-- A restore as another organization is in the chain and under the lease of the one that is copied, and yet none of its
-- business: whoever could see it would know the other's id, and whoever could roll it back would remove the other's rows.
CREATE POLICY copies_belong_to_the_platform ON backup.backup_restores AS RESTRICTIVE FOR SELECT
  USING (target_organization_id = organization_id OR (SELECT backup.session_binding() ->> 'role') = 'platform');

-- Down Migration
DROP POLICY copies_belong_to_the_platform ON backup.backup_restores;

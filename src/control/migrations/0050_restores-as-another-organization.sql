-- Up Migration
-- Only a platform admin's session may order that an organization is restored as another one.
CREATE POLICY own_target ON backup.backup_restores AS RESTRICTIVE FOR INSERT
  WITH CHECK (target_organization_id = organization_id OR (SELECT backup.session_binding() ->> 'role') = 'platform');

-- Down Migration
DROP POLICY own_target ON backup.backup_restores;

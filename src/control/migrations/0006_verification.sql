-- Up Migration
ALTER TABLE backup.backup_verification_results
  ADD COLUMN part integer,
  ADD COLUMN parts integer,
  ADD CHECK (part IS NULL OR part BETWEEN 1 AND parts);
COMMENT ON COLUMN backup.backup_verification_results.part IS 'Integrity in parts: all parts together are every stored byte';

-- Down Migration
ALTER TABLE backup.backup_verification_results DROP COLUMN part, DROP COLUMN parts;

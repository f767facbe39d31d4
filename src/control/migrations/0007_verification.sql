-- Up Migration
ALTER TABLE backup.backup_verification_results
  ADD COLUMN part integer,
  ADD COLUMN parts integer,
  ADD CHECK (part IS NULL OR part BETWEEN 1 AND parts);
COMMENT ON COLUMN backup.backup_verification_results.part IS 'Integrity in parts: all parts together are every stored byte';

ALTER TABLE backup.backup_triggers DROP CONSTRAINT backup_triggers_proof_check;
ALTER TABLE backup.backup_triggers
  ADD CONSTRAINT backup_triggers_proof_check CHECK (proof IN ('none', 'integrity', 'content', 'consistency', 'restore'));

-- Down Migration
UPDATE backup.backup_triggers SET proof = 'content' WHERE proof IN ('consistency', 'restore');
ALTER TABLE backup.backup_triggers DROP CONSTRAINT backup_triggers_proof_check;
ALTER TABLE backup.backup_triggers ADD CONSTRAINT backup_triggers_proof_check CHECK (proof IN ('none', 'integrity', 'content'));
ALTER TABLE backup.backup_verification_results DROP COLUMN part, DROP COLUMN parts;

-- Up Migration
-- A restore may not begin into an erased organization's id, either.
CREATE OR REPLACE FUNCTION backup.refuse_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE named text;
BEGIN
  IF to_jsonb(NEW) ->> 'operation' = 'erase' THEN RETURN NEW; END IF;
  -- In one order, so that two that name both can't wait for each other.
  FOR named IN
    SELECT DISTINCT each FROM unnest(ARRAY[NEW.organization_id, to_jsonb(NEW) ->> 'target_organization_id']) AS each WHERE each IS NOT NULL ORDER BY each
  LOOP
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('backup.erasure:' || named, 0));
    IF EXISTS (
      SELECT FROM backup.backup_erasures e WHERE e.organization_id = named AND e.status IN ('ordered', 'incomplete', 'erased')
    ) THEN
      RAISE EXCEPTION 'the organization was erased' USING ERRCODE = 'WE410';
    END IF;
  END LOOP;
  RETURN NEW;
END $$;

-- Down Migration
CREATE OR REPLACE FUNCTION backup.refuse_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF to_jsonb(NEW) ->> 'operation' = 'erase' THEN RETURN NEW; END IF;
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('backup.erasure:' || NEW.organization_id, 0));
  IF EXISTS (
    SELECT FROM backup.backup_erasures e WHERE e.organization_id = NEW.organization_id AND e.status IN ('ordered', 'incomplete', 'erased')
  ) THEN
    RAISE EXCEPTION 'the organization was erased' USING ERRCODE = 'WE410';
  END IF;
  RETURN NEW;
END $$;

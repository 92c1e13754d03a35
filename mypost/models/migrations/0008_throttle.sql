-- Guessing passwords: how often somebody tries, by e-mail and by address. The keys are digests:
-- nobody's e-mail is kept because somebody typed it.
CREATE TABLE attempts (
  key bytea NOT NULL,
  id uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT mypost_now(),
  PRIMARY KEY (key, id)
);
CREATE INDEX attempts_by_age ON attempts (at);

-- Notes an attempt under each of its keys; or notes nothing and answers how many seconds to wait.
CREATE FUNCTION attempt_begin(attempt uuid, keys bytea[], limits int[], span interval) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE since timestamptz := mypost_now() - span; filling timestamptz; wait int := 0;
BEGIN
  -- Each attempt takes away more than it leaves.
  DELETE FROM attempts a USING (SELECT key, id FROM attempts WHERE at <= since
      ORDER BY at LIMIT 20 FOR UPDATE SKIP LOCKED) old WHERE a.key = old.key AND a.id = old.id;
  -- Held until commit, in one order: those who guess in parallel take turns.
  PERFORM pg_advisory_xact_lock(hashtextextended(encode(o.k, 'hex'), 5))
    FROM (SELECT k FROM unnest(keys) k ORDER BY k) o;
  FOR i IN 1 .. cardinality(keys) LOOP
    SELECT at INTO filling FROM attempts WHERE key = keys[i] AND at > since
      ORDER BY at DESC OFFSET limits[i] - 1 LIMIT 1;
    IF FOUND THEN wait := greatest(wait, ceil(extract(epoch FROM filling - since))::int); END IF;
  END LOOP;
  IF wait = 0 THEN
    INSERT INTO attempts (key, id) SELECT k, attempt FROM unnest(keys) k;
  END IF;
  RETURN wait;
END $$;

-- Who got in did not guess: the attempt never was, nor those before it under this key.
CREATE FUNCTION attempt_end(attempt uuid, cleared bytea, others bytea[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DELETE FROM attempts WHERE key = cleared OR (key = ANY (others) AND id = attempt)
$$;

REVOKE EXECUTE ON FUNCTION attempt_begin(uuid, bytea[], int[], interval), attempt_end(uuid, bytea, bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION attempt_begin(uuid, bytea[], int[], interval), attempt_end(uuid, bytea, bytea[]) TO mypost_app;

-- Idempotency keys: a row is written in the transaction of its change, so neither is ever there without the other.
-- It holds what the change made, and the answer as it was first given. A day later it is forgotten.
CREATE TABLE idempotency_keys (
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  operation text NOT NULL,
  key text NOT NULL,
  workspace_id uuid NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
  digest bytea NOT NULL,
  reference jsonb NOT NULL,
  status int,
  headers jsonb,
  body bytea,
  created_at timestamptz NOT NULL DEFAULT mypost_now(),
  PRIMARY KEY (user_id, operation, key, workspace_id),
  CHECK ((status IS NULL) = (headers IS NULL) AND (status IS NULL) = (body IS NULL))
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_by_workspace ON idempotency_keys (workspace_id);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON idempotency_keys TO mypost_app
  USING (workspace_id = ANY ((SELECT nullif(current_setting('mypost.ws', true), '')::uuid[])::uuid[]));
CREATE POLICY definer ON idempotency_keys TO mypost_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON idempotency_keys TO mypost_app;

-- Takes the key until the transaction ends, or says that somebody else has it; then what the key has done before.
-- The row is read by a statement of its own: it sees what the lock's last holder has committed.
CREATE FUNCTION key_begin(who uuid, what text, its_key text, OUT busy boolean, OUT digest bytea, OUT reference jsonb,
  OUT status int, OUT headers jsonb, OUT body bytea) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  busy := NOT pg_try_advisory_xact_lock(hashtextextended(who || ' ' || what || ' ' || its_key, 12));
  IF busy THEN RETURN; END IF;
  SELECT k.digest, k.reference, k.status, k.headers, k.body INTO digest, reference, status, headers, body
    FROM idempotency_keys k
    WHERE k.user_id = who AND k.operation = what AND k.key = its_key AND k.created_at > mypost_now() - interval '24 h'
    ORDER BY k.created_at DESC LIMIT 1;
END $$;

CREATE FUNCTION keys_forget() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH gone AS (DELETE FROM idempotency_keys WHERE created_at <= mypost_now() - interval '24 h' RETURNING 1)
  SELECT count(*)::int FROM gone
$$;

REVOKE EXECUTE ON FUNCTION key_begin(uuid, text, text), keys_forget() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION key_begin(uuid, text, text) TO mypost_app;
GRANT EXECUTE ON FUNCTION keys_forget() TO mypost_dispatch;

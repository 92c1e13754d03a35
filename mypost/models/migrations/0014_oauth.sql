-- Connecting an account on a page of its network: what comes back finds its attempt by the hash of
-- its state, before anybody is known to be there, and once.

UPDATE connections SET account_ids = ARRAY[account_id] WHERE status = 'connected' AND account_id IS NOT NULL;
-- A state is only compared: its hash is as good, and tells nobody who reads the table.
UPDATE connections SET state = encode(sha256(convert_to(state, 'UTF8')), 'hex');
CREATE INDEX connections_by_age ON connections (expires_at);

CREATE FUNCTION connection_take(hash text, of_network text) RETURNS SETOF connections
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE connections c SET answered_at = mypost_now()
  WHERE c.state = hash AND c.network = of_network AND c.kind = 'oauth' AND c.status = 'pending'
    AND c.answered_at IS NULL AND c.expires_at > mypost_now()
    AND EXISTS (SELECT 1 FROM brands b WHERE b.id = c.brand_id AND b.deleted_at IS NULL)
    AND EXISTS (SELECT 1 FROM members m WHERE m.workspace_id = c.workspace_id AND m.user_id = c.created_by)
  RETURNING c.*
$$;

-- Housekeeping: what an attempt held ends with it, the attempt itself a week later.
CREATE FUNCTION connections_forget() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE gone int;
BEGIN
  UPDATE connections c SET verifier = NULL, found = NULL
    WHERE c.expires_at <= mypost_now() AND (c.verifier IS NOT NULL OR c.found IS NOT NULL);
  DELETE FROM connections WHERE expires_at < mypost_now() - interval '7 days';
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END $$;

REVOKE EXECUTE ON FUNCTION connection_take(text, text), connections_forget() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION connection_take(text, text) TO mypost_app;
GRANT EXECUTE ON FUNCTION connections_forget() TO mypost_dispatch;

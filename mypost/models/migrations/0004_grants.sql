-- Renewing grants, for the dispatcher: what is stored, and a store that only the newest version allows.

CREATE FUNCTION dispatch_grant(account uuid)
RETURNS TABLE (grant_cipher bytea, grant_version int, token_expires_at timestamptz, status text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT a.grant_cipher, a.grant_version, a.token_expires_at, a.status::text FROM accounts a WHERE a.id = account
$$;

-- False when somebody stored another grant since, or the account was let go: the newer one counts.
CREATE FUNCTION dispatch_store_grant(account uuid, old_version int, cipher bytea, expires timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE accounts a SET grant_cipher = cipher, grant_version = a.grant_version + 1, token_expires_at = expires,
      status = CASE a.status WHEN 'expiring' THEN 'active' ELSE a.status END, updated_at = mypost_now()
    WHERE a.id = account AND a.grant_version = old_version AND a.status <> 'disconnected';
  RETURN FOUND;
END $$;

REVOKE EXECUTE ON FUNCTION dispatch_grant(uuid), dispatch_store_grant(uuid, int, bytea, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dispatch_grant(uuid), dispatch_store_grant(uuid, int, bytea, timestamptz) TO mypost_dispatch;

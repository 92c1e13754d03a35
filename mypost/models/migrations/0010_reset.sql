-- Who sets a lost password anew takes his account back: what anybody made with it before is void.
CREATE OR REPLACE FUNCTION reset_use(token_hash bytea, new text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE person uuid;
BEGIN
  UPDATE password_resets SET used_at = mypost_now()
    WHERE hash = token_hash AND used_at IS NULL AND expires_at > mypost_now() RETURNING user_id INTO person;
  IF person IS NULL THEN RETURN false; END IF;
  UPDATE password_resets SET used_at = mypost_now() WHERE user_id = person AND used_at IS NULL;
  UPDATE users SET password_hash = new, updated_at = mypost_now() WHERE id = person;
  UPDATE sessions SET revoked_at = mypost_now(), revoked_why = 'password' WHERE user_id = person AND revoked_at IS NULL;
  UPDATE access_tokens SET revoked_at = mypost_now() WHERE user_id = person AND revoked_at IS NULL;
  RETURN true;
END $$;

-- Looked at before a password is hashed: a made-up token costs nothing.
CREATE FUNCTION reset_holds(token_hash bytea) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM password_resets
    WHERE hash = token_hash AND used_at IS NULL AND expires_at > mypost_now())
$$;
REVOKE EXECUTE ON FUNCTION reset_holds(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reset_holds(bytea) TO mypost_app;

-- What is due is read once: asked again for each row, as some plans would, the limit counts for nothing.
CREATE OR REPLACE FUNCTION mails_take(most int) RETURNS SETOF mails LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  WITH due AS MATERIALIZED (
    SELECT id FROM mails WHERE due_at <= mypost_now() ORDER BY due_at LIMIT most FOR UPDATE SKIP LOCKED)
  UPDATE mails m SET attempts = m.attempts + 1,
    due_at = CASE WHEN m.attempts < 7
      THEN mypost_now() + least(interval '1 minute' * 4 ^ m.attempts, interval '1 day') END
  FROM due WHERE m.id = due.id
  RETURNING m.*
$$;

-- Who sets a lost password anew takes his account back: what anybody made with it before is void.
CREATE OR REPLACE FUNCTION reset_use(token_hash bytea, new text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE person uuid;
BEGIN
  UPDATE password_resets SET used_at = mypost_now()
    WHERE hash = token_hash AND used_at IS NULL AND expires_at > mypost_now() RETURNING user_id INTO person;
  IF person IS NULL THEN RETURN false; END IF;
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

-- A password that is changed makes the letters void that would set another.
CREATE FUNCTION resets_void() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE password_resets SET used_at = mypost_now() WHERE user_id = NEW.id AND used_at IS NULL;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION resets_void() FROM PUBLIC;
CREATE TRIGGER resets_void AFTER UPDATE OF password_hash ON users
  FOR EACH ROW EXECUTE FUNCTION resets_void();

-- A role that is deleted takes its settled invitations with it; an open one keeps it.
ALTER TABLE invitations DROP CONSTRAINT invitations_workspace_id_role_id_fkey,
  ADD FOREIGN KEY (workspace_id, role_id) REFERENCES roles (workspace_id, id) ON DELETE CASCADE;

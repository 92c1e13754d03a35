-- Letters that wait to be sent; their text is encrypted, since it may hold a way in.
CREATE TABLE mails (
  id uuid PRIMARY KEY,
  address text NOT NULL,
  subject text NOT NULL,
  body bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT mypost_now(),
  due_at timestamptz DEFAULT mypost_now(),
  attempts int NOT NULL DEFAULT 0,
  sent_at timestamptz,
  error text
);
CREATE INDEX mails_due ON mails (due_at) WHERE due_at IS NOT NULL;

CREATE FUNCTION mail_add(mail uuid, recipient text, about text, cipher bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO mails (id, address, subject, body) VALUES (mail, recipient, about, cipher)
$$;

-- Takes what is due and puts the next attempt off: 1, 4, 16 … minutes, a day at most, eight times.
CREATE FUNCTION mails_take(most int) RETURNS SETOF mails LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  UPDATE mails SET attempts = attempts + 1,
    due_at = CASE WHEN attempts < 7
      THEN mypost_now() + least(interval '1 minute' * 4 ^ attempts, interval '1 day') END
  WHERE id IN (SELECT id FROM mails WHERE due_at <= mypost_now() ORDER BY due_at LIMIT most FOR UPDATE SKIP LOCKED)
  RETURNING *
$$;

-- What has been sent leaves no text behind.
CREATE FUNCTION mail_done(mail uuid, wrong text) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  UPDATE mails SET error = wrong,
    sent_at = CASE WHEN wrong IS NULL THEN mypost_now() END,
    due_at = CASE WHEN wrong IS NOT NULL THEN due_at END,
    body = CASE WHEN wrong IS NULL THEN '' ELSE body END
  WHERE id = mail
$$;

CREATE TABLE password_resets (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  hash bytea NOT NULL UNIQUE,
  expires_at timestamptz NOT NULL,
  used_at timestamptz
);

-- One call whether the address is known or not: both take the same time, and answer nothing.
CREATE FUNCTION reset_open(recipient text, reset uuid, token_hash bytea, mail uuid, about text, cipher bytea)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE person uuid;
BEGIN
  SELECT id INTO person FROM users WHERE email = recipient;
  IF person IS NOT NULL THEN
    INSERT INTO password_resets (id, user_id, hash, expires_at)
      VALUES (reset, person, token_hash, mypost_now() + interval '1 hour');
    INSERT INTO mails (id, address, subject, body) VALUES (mail, recipient, about, cipher);
  END IF;
END $$;

-- A reset is used once, ends every session, and makes the others of the same person void.
CREATE FUNCTION reset_use(token_hash bytea, new text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE person uuid;
BEGIN
  UPDATE password_resets SET used_at = mypost_now()
    WHERE hash = token_hash AND used_at IS NULL AND expires_at > mypost_now() RETURNING user_id INTO person;
  IF person IS NULL THEN RETURN false; END IF;
  UPDATE password_resets SET used_at = mypost_now() WHERE user_id = person AND used_at IS NULL;
  UPDATE users SET password_hash = new, updated_at = mypost_now() WHERE id = person;
  UPDATE sessions SET revoked_at = mypost_now(), revoked_why = 'password' WHERE user_id = person AND revoked_at IS NULL;
  RETURN true;
END $$;

ALTER TABLE invitations ADD FOREIGN KEY (workspace_id) REFERENCES workspaces (id);
ALTER TABLE invitations ADD FOREIGN KEY (workspace_id, role_id) REFERENCES roles (workspace_id, id);
ALTER TABLE invitations ADD FOREIGN KEY (invited_by) REFERENCES users (id);
ALTER TABLE invitations ADD UNIQUE (hash);
ALTER TABLE invitations ADD CHECK (status IN ('pending', 'accepted', 'revoked'));
ALTER TABLE invitations ALTER created_at SET DEFAULT mypost_now();
CREATE UNIQUE INDEX invitations_pending ON invitations (workspace_id, email) WHERE status = 'pending';
CREATE INDEX invitations_by_workspace ON invitations (workspace_id, created_at DESC, id DESC);
CREATE INDEX invitations_by_role ON invitations (role_id) WHERE status = 'pending';
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON invitations TO mypost_app
  USING (workspace_id = ANY ((SELECT nullif(current_setting('mypost.ws', true), '')::uuid[])::uuid[]));
CREATE POLICY definer ON invitations TO mypost_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON invitations TO mypost_app;

-- Before a viewer belongs to the workspace: an invitation is found by the hash of its token.
CREATE FUNCTION invitation_find(token_hash bytea)
RETURNS TABLE (id uuid, workspace_id uuid, email text, user_id uuid, password_hash text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT i.id, i.workspace_id, i.email, u.id, u.password_hash
  FROM invitations i LEFT JOIN users u ON u.email = i.email
  WHERE i.hash = token_hash AND i.status = 'pending' AND i.expires_at > mypost_now()
$$;
CREATE FUNCTION invitation_accept(token_hash bytea, person uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE i invitations;
BEGIN
  UPDATE invitations SET status = 'accepted', accepted_at = mypost_now()
    WHERE hash = token_hash AND status = 'pending' AND expires_at > mypost_now() RETURNING * INTO i;
  IF i.id IS NULL THEN RETURN false; END IF;
  INSERT INTO members (id, workspace_id, user_id, role_id) VALUES (mypost_id(5), i.workspace_id, person, i.role_id)
    ON CONFLICT (workspace_id, user_id) DO NOTHING;
  RETURN true;
END $$;

DO $$
DECLARE f text;
BEGIN
  FOREACH f IN ARRAY ARRAY['mail_add(uuid, text, text, bytea)', 'reset_open(text, uuid, bytea, uuid, text, bytea)',
      'reset_use(bytea, text)', 'invitation_find(bytea)', 'invitation_accept(bytea, uuid)'] LOOP
    EXECUTE 'REVOKE EXECUTE ON FUNCTION ' || f || ' FROM PUBLIC';
    EXECUTE 'GRANT EXECUTE ON FUNCTION ' || f || ' TO mypost_app';
  END LOOP;
  FOREACH f IN ARRAY ARRAY['mails_take(int)', 'mail_done(uuid, text)'] LOOP
    EXECUTE 'REVOKE EXECUTE ON FUNCTION ' || f || ' FROM PUBLIC';
    EXECUTE 'GRANT EXECUTE ON FUNCTION ' || f || ' TO mypost_dispatch';
  END LOOP;
END $$;

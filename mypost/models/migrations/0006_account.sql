-- A person's own account: name, password, sessions, personal access tokens. No tenant owns these
-- rows, so they are reached through functions that are told whose they are.
CREATE TABLE access_tokens (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  name text NOT NULL,
  hash bytea NOT NULL UNIQUE,
  permissions text[] NOT NULL,
  expires_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT mypost_now(),
  revoked_at timestamptz
);
CREATE INDEX access_tokens_by_user ON access_tokens (user_id, created_at DESC, id DESC);

CREATE FUNCTION account_update(person uuid, new_name text, new_timezone text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE users SET name = coalesce(new_name, name), timezone = coalesce(new_timezone, timezone),
    updated_at = mypost_now() WHERE id = person
$$;

CREATE FUNCTION account_hash(person uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT password_hash FROM users WHERE id = person
$$;

-- A new password ends every session but the one it was changed in.
CREATE FUNCTION account_password(person uuid, old text, new text, kept uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE users SET password_hash = new, updated_at = mypost_now() WHERE id = person AND password_hash = old;
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE sessions SET revoked_at = mypost_now(), revoked_why = 'password'
    WHERE user_id = person AND id <> kept AND revoked_at IS NULL;
  RETURN true;
END $$;

CREATE FUNCTION account_sessions(person uuid)
RETURNS TABLE (id uuid, created_at timestamptz, expires_at timestamptz, last_active_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT s.id, s.created_at, s.expires_at, (SELECT max(t.created_at) FROM refresh_tokens t WHERE t.session_id = s.id)
  FROM sessions s WHERE s.user_id = person AND s.revoked_at IS NULL AND s.expires_at > mypost_now()
  ORDER BY s.created_at DESC, s.id DESC LIMIT 100
$$;

CREATE FUNCTION account_session_revoke(person uuid, session uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE sessions SET revoked_at = mypost_now(), revoked_why = 'owner'
    WHERE id = session AND user_id = person AND revoked_at IS NULL;
  RETURN FOUND;
END $$;

CREATE FUNCTION access_tokens_of(person uuid) RETURNS SETOF access_tokens
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT * FROM access_tokens WHERE user_id = person AND revoked_at IS NULL ORDER BY created_at DESC, id DESC
$$;

CREATE FUNCTION access_token_add(token uuid, person uuid, called text, token_hash bytea, allowed text[], ends timestamptz)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO access_tokens (id, user_id, name, hash, permissions, expires_at)
    VALUES (token, person, called, token_hash, allowed, ends)
$$;

CREATE FUNCTION access_token_revoke(person uuid, token uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE access_tokens SET revoked_at = mypost_now() WHERE id = token AND user_id = person AND revoked_at IS NULL;
  RETURN FOUND;
END $$;

-- Notes the use, at most once a minute, and answers whose token this is.
CREATE FUNCTION access_token_find(token_hash bytea) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE found uuid;
BEGIN
  SELECT id INTO found FROM access_tokens
    WHERE hash = token_hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > mypost_now());
  UPDATE access_tokens SET last_used_at = mypost_now()
    WHERE id = found AND (last_used_at IS NULL OR last_used_at < mypost_now() - interval '1 minute');
  RETURN found;
END $$;

-- The twin of session_viewer: a token never allows more than its owner may.
CREATE FUNCTION token_viewer(token uuid) RETURNS TABLE (
  user_id uuid, email text, name text, timezone text, created_at timestamptz, memberships jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT u.id, u.email, u.name, u.timezone, u.created_at, coalesce((
    SELECT jsonb_agg(jsonb_build_object(
        'workspaceId', m.workspace_id, 'workspace', w.name, 'roleId', r.id, 'role', r.name,
        'permissions', ARRAY(SELECT unnest(r.permissions) INTERSECT SELECT unnest(t.permissions)),
        'ownPostsOnly', r.own_posts_only) ORDER BY m.joined_at, m.id)
    FROM members m JOIN roles r ON r.id = m.role_id JOIN workspaces w ON w.id = m.workspace_id
    WHERE m.user_id = u.id), '[]')
  FROM access_tokens t JOIN users u ON u.id = t.user_id
  WHERE t.id = token AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > mypost_now())
$$;

DO $$
DECLARE f text;
BEGIN
  FOREACH f IN ARRAY ARRAY['account_update(uuid, text, text)', 'account_hash(uuid)',
      'account_password(uuid, text, text, uuid)', 'account_sessions(uuid)', 'account_session_revoke(uuid, uuid)',
      'access_tokens_of(uuid)', 'access_token_add(uuid, uuid, text, bytea, text[], timestamptz)',
      'access_token_revoke(uuid, uuid)', 'access_token_find(bytea)', 'token_viewer(uuid)'] LOOP
    EXECUTE 'REVOKE EXECUTE ON FUNCTION ' || f || ' FROM PUBLIC';
    EXECUTE 'GRANT EXECUTE ON FUNCTION ' || f || ' TO mypost_app';
  END LOOP;
END $$;

-- The clock, ids, tenant walls, and what may be read before a viewer exists.

CREATE TABLE clock_offset (one boolean PRIMARY KEY DEFAULT true CHECK (one), by interval NOT NULL);

CREATE FUNCTION mypost_now() RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  SELECT statement_timestamp() + coalesce((SELECT by FROM clock_offset), interval '0')
$$;

-- A UUIDv7 whose 12 rand_a bits carry the type; the twin of ids.py.
CREATE FUNCTION mypost_id(tag int) RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT (lpad(to_hex((extract(epoch FROM mypost_now()) * 1000)::bigint), 12, '0')
          || '7' || lpad(to_hex(tag), 3, '0')
          || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid
$$;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['users', 'sessions', 'refresh_tokens', 'workspaces', 'roles', 'brands',
                           'accounts', 'connections', 'posts', 'targets', 'audit_events'] LOOP
    EXECUTE format('ALTER TABLE %I ALTER created_at SET DEFAULT mypost_now()', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['users', 'workspaces', 'roles', 'brands', 'accounts', 'posts', 'targets'] LOOP
    EXECUTE format('ALTER TABLE %I ALTER updated_at SET DEFAULT mypost_now()', t);
  END LOOP;
  ALTER TABLE members ALTER joined_at SET DEFAULT mypost_now();
END $$;

-- Composite keys carry the workspace: a row cannot name another tenant's row.
ALTER TABLE roles ADD UNIQUE (workspace_id, id);
ALTER TABLE brands ADD UNIQUE (workspace_id, id);
ALTER TABLE accounts ADD UNIQUE (workspace_id, id);
ALTER TABLE posts ADD UNIQUE (workspace_id, id);
ALTER TABLE targets ADD UNIQUE (workspace_id, id);

ALTER TABLE sessions ADD FOREIGN KEY (user_id) REFERENCES users (id);
ALTER TABLE refresh_tokens ADD FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE;
ALTER TABLE refresh_tokens ADD UNIQUE (hash);
ALTER TABLE roles ADD FOREIGN KEY (workspace_id) REFERENCES workspaces (id);
ALTER TABLE members ADD FOREIGN KEY (workspace_id) REFERENCES workspaces (id);
ALTER TABLE members ADD FOREIGN KEY (user_id) REFERENCES users (id);
ALTER TABLE members ADD FOREIGN KEY (workspace_id, role_id) REFERENCES roles (workspace_id, id);
ALTER TABLE brands ADD FOREIGN KEY (workspace_id) REFERENCES workspaces (id);
ALTER TABLE accounts ADD FOREIGN KEY (workspace_id, brand_id) REFERENCES brands (workspace_id, id);
ALTER TABLE connections ADD FOREIGN KEY (workspace_id, brand_id) REFERENCES brands (workspace_id, id);
ALTER TABLE connections ADD FOREIGN KEY (workspace_id, account_id) REFERENCES accounts (workspace_id, id);
ALTER TABLE connections ADD UNIQUE (state);
ALTER TABLE posts ADD FOREIGN KEY (workspace_id, brand_id) REFERENCES brands (workspace_id, id);
ALTER TABLE posts ADD FOREIGN KEY (created_by) REFERENCES users (id);
ALTER TABLE post_tags ADD FOREIGN KEY (workspace_id, post_id) REFERENCES posts (workspace_id, id);
ALTER TABLE targets ADD FOREIGN KEY (workspace_id, post_id) REFERENCES posts (workspace_id, id);
ALTER TABLE targets ADD FOREIGN KEY (workspace_id, account_id) REFERENCES accounts (workspace_id, id);
ALTER TABLE audit_events ADD FOREIGN KEY (workspace_id) REFERENCES workspaces (id);

ALTER TABLE accounts ADD CHECK (status IN ('active', 'expiring', 'needs_reauth', 'disconnected'));
ALTER TABLE accounts ADD CHECK ((grant_cipher IS NULL) = (status = 'disconnected'));
ALTER TABLE connections ADD CHECK (status IN ('pending', 'choose_account', 'connected', 'failed'));

CREATE INDEX members_by_user ON members (user_id);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
CREATE INDEX brands_by_workspace ON brands (workspace_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX accounts_by_brand ON accounts (brand_id, created_at DESC, id DESC);
CREATE INDEX posts_by_brand ON posts (brand_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX posts_by_phase ON posts (brand_id, phase, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX targets_by_account ON targets (account_id, post_id) WHERE NOT removed;
CREATE INDEX post_tags_by_tag ON post_tags (workspace_id, tag, post_id);
CREATE INDEX audit_events_by_workspace ON audit_events (workspace_id, created_at DESC, id DESC);

-- Events: writers leave rows without a number; the sequencer numbers what has committed.
CREATE TABLE outbox (
  pos bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspaces (id),
  id uuid NOT NULL DEFAULT mypost_id(14),
  type text NOT NULL,
  brand_id uuid,
  payload jsonb NOT NULL DEFAULT '{}',
  audit_id uuid,
  occurred_at timestamptz NOT NULL DEFAULT mypost_now()
);
CREATE TABLE counters (
  workspace_id uuid PRIMARY KEY REFERENCES workspaces (id),
  event_number bigint NOT NULL DEFAULT 0,
  seal_number bigint NOT NULL DEFAULT 0,
  seal bytea NOT NULL DEFAULT ''
);
CREATE TABLE events (
  workspace_id uuid NOT NULL REFERENCES workspaces (id),
  number bigint NOT NULL,
  id uuid NOT NULL UNIQUE,
  type text NOT NULL,
  brand_id uuid,
  payload jsonb NOT NULL,
  occurred_at timestamptz NOT NULL,
  PRIMARY KEY (workspace_id, number)
);
CREATE INDEX events_by_brand ON events (brand_id, number);
CREATE TABLE audit_seals (
  workspace_id uuid NOT NULL REFERENCES workspaces (id),
  number bigint NOT NULL,
  audit_id uuid NOT NULL UNIQUE REFERENCES audit_events (id),
  seal bytea NOT NULL,
  PRIMARY KEY (workspace_id, number)
);

CREATE FUNCTION audit_append() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO outbox (workspace_id, type, audit_id) VALUES (NEW.workspace_id, 'audit', NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER audit_append AFTER INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION audit_append();

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_seals FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit_seals FOR EACH STATEMENT EXECUTE FUNCTION refuse();

CREATE FUNCTION audit_canonical(a audit_events) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'id', a.id, 'workspaceId', a.workspace_id, 'action', a.action, 'userId', a.user_id,
    'actorType', a.actor_type, 'resourceType', a.resource_type, 'resourceId', a.resource_id,
    'metadata', a.metadata, 'ip', a.ip, 'requestId', a.request_id,
    'createdAt', to_char(a.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
$$;

-- Numbers what has committed, seals audit rows, empties the outbox: one leader at a time.
CREATE FUNCTION sequence_batch(most int) RETURNS SETOF events LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE o record; c counters;
BEGIN
  FOR o IN
    WITH taken AS (DELETE FROM outbox WHERE pos IN
        (SELECT pos FROM outbox ORDER BY pos LIMIT most FOR UPDATE SKIP LOCKED) RETURNING *)
    SELECT * FROM taken ORDER BY pos
  LOOP
    INSERT INTO counters (workspace_id) VALUES (o.workspace_id) ON CONFLICT DO NOTHING;
    IF o.audit_id IS NOT NULL THEN
      UPDATE counters k SET seal_number = k.seal_number + 1,
          seal = sha256(k.seal || convert_to(audit_canonical(x), 'UTF8'))
        FROM audit_events x WHERE k.workspace_id = o.workspace_id AND x.id = o.audit_id
        RETURNING k.* INTO c;
      INSERT INTO audit_seals VALUES (c.workspace_id, c.seal_number, o.audit_id, c.seal);
    ELSE
      UPDATE counters k SET event_number = k.event_number + 1
        WHERE k.workspace_id = o.workspace_id RETURNING k.* INTO c;
      INSERT INTO events VALUES (o.workspace_id, c.event_number, o.id, o.type, o.brand_id, o.payload, o.occurred_at);
      RETURN QUERY SELECT * FROM events WHERE workspace_id = o.workspace_id AND number = c.event_number;
    END IF;
  END LOOP;
END $$;

-- Before a viewer exists: users and sessions are reached through these functions only.
CREATE FUNCTION auth_find(address text) RETURNS TABLE (id uuid, password_hash text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT id, password_hash FROM users WHERE email = address
$$;

CREATE FUNCTION auth_register(id uuid, address text, name text, hash text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO users (id, email, name, password_hash) VALUES (id, address, name, hash)
    ON CONFLICT (email) DO NOTHING;
  RETURN FOUND;
END $$;

CREATE FUNCTION auth_rehash(user_id uuid, old text, new text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE users SET password_hash = new, updated_at = mypost_now() WHERE id = user_id AND password_hash = old
$$;

CREATE FUNCTION session_open(session uuid, owner uuid, ends timestamptz, token uuid, token_hash bytea, token_ends timestamptz)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO sessions (id, user_id, expires_at) VALUES (session, owner, ends);
  INSERT INTO refresh_tokens (id, hash, session_id, expires_at) VALUES (token, token_hash, session, least(token_ends, ends));
$$;

-- Who holds this session now, with every membership: one read, cached for at most 5 s.
CREATE FUNCTION session_viewer(session uuid) RETURNS TABLE (
  user_id uuid, email text, name text, timezone text, created_at timestamptz, memberships jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT u.id, u.email, u.name, u.timezone, u.created_at, coalesce((
    SELECT jsonb_agg(jsonb_build_object(
        'workspaceId', m.workspace_id, 'workspace', w.name, 'roleId', r.id, 'role', r.name,
        'permissions', r.permissions, 'ownPostsOnly', r.own_posts_only) ORDER BY m.joined_at, m.id)
    FROM members m JOIN roles r ON r.id = m.role_id JOIN workspaces w ON w.id = m.workspace_id
    WHERE m.user_id = u.id), '[]')
  FROM sessions s JOIN users u ON u.id = s.user_id
  WHERE s.id = session AND s.revoked_at IS NULL AND s.expires_at > mypost_now()
$$;

CREATE FUNCTION session_revoke(session uuid, why text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE sessions SET revoked_at = mypost_now(), revoked_why = why WHERE id = session AND revoked_at IS NULL
$$;

CREATE FUNCTION session_of_token(token_hash bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT session_id FROM refresh_tokens WHERE hash = token_hash
$$;

-- Rotates a refresh token. Seen again within 10 s while its successor is unused, it gets a fresh
-- successor and the old one dies; seen again otherwise it is theft, and the whole family ends.
CREATE FUNCTION session_rotate(old_hash bytea, token uuid, token_hash bytea, token_ends timestamptz)
RETURNS TABLE (outcome text, session uuid, owner uuid, ends timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE t refresh_tokens; s sessions; heir refresh_tokens;
BEGIN
  SELECT x.* INTO s FROM sessions x JOIN refresh_tokens r ON r.session_id = x.id
    WHERE r.hash = old_hash FOR UPDATE OF x;
  IF s.id IS NULL THEN RETURN QUERY SELECT 'unknown', NULL::uuid, NULL::uuid, NULL::timestamptz; RETURN; END IF;
  SELECT * INTO t FROM refresh_tokens WHERE hash = old_hash;
  IF s.revoked_at IS NOT NULL OR s.expires_at <= mypost_now() OR t.expires_at <= mypost_now() THEN
    RETURN QUERY SELECT 'ended', s.id, s.user_id, NULL::timestamptz; RETURN;
  END IF;
  IF t.used_at IS NOT NULL THEN
    SELECT * INTO heir FROM refresh_tokens WHERE id = t.successor_id;
    IF t.used_at < mypost_now() - interval '10 s' OR heir.used_at IS NOT NULL THEN
      PERFORM session_revoke(s.id, 'reuse');
      RETURN QUERY SELECT 'reuse', s.id, s.user_id, NULL::timestamptz; RETURN;
    END IF;
    UPDATE refresh_tokens SET expires_at = mypost_now() WHERE id = heir.id;
  END IF;
  INSERT INTO refresh_tokens (id, hash, session_id, expires_at)
    VALUES (token, token_hash, s.id, least(token_ends, s.expires_at));
  UPDATE refresh_tokens SET used_at = coalesce(used_at, mypost_now()), successor_id = token WHERE id = t.id;
  RETURN QUERY SELECT 'rotated', s.id, s.user_id, least(token_ends, s.expires_at);
END $$;

-- Housekeeping: sessions that ended more than 30 days ago leave no trace.
CREATE FUNCTION sessions_forget() RETURNS int
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH gone AS (DELETE FROM sessions WHERE least(expires_at, revoked_at) < mypost_now() - interval '30 days' RETURNING 1)
  SELECT count(*)::int FROM gone
$$;

-- Tenant walls. Forced, so that even the owner passes by an explicit policy only.
DO $$
DECLARE
  t text;
  wall text := '%I = ANY ((SELECT nullif(current_setting(''mypost.ws'', true), '''')::uuid[])::uuid[])';
BEGIN
  FOREACH t IN ARRAY ARRAY['workspaces', 'roles', 'members', 'brands', 'accounts', 'connections', 'posts',
                           'post_tags', 'targets', 'audit_events', 'outbox', 'counters', 'events', 'audit_seals'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I TO mypost_app USING (' || wall || ')', t,
                   CASE t WHEN 'workspaces' THEN 'id' ELSE 'workspace_id' END);
    EXECUTE format('CREATE POLICY definer ON %I TO mypost_owner USING (true) WITH CHECK (true)', t);
  END LOOP;
END $$;

-- A person is visible to those who share a workspace with him.
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY colleague ON users FOR SELECT TO mypost_app
  USING (EXISTS (SELECT 1 FROM members m WHERE m.user_id = users.id));
CREATE POLICY definer ON users TO mypost_owner USING (true) WITH CHECK (true);

GRANT USAGE ON SCHEMA public TO mypost_app, mypost_dispatch;
GRANT SELECT (id, email, name, timezone, created_at, updated_at) ON users TO mypost_app;
GRANT SELECT, INSERT, UPDATE ON workspaces, roles, members, brands, accounts, connections, posts, targets TO mypost_app;
GRANT DELETE ON roles, members, connections TO mypost_app;
GRANT SELECT, INSERT, DELETE ON post_tags TO mypost_app;
GRANT SELECT, INSERT ON audit_events TO mypost_app;
GRANT INSERT ON outbox TO mypost_app;
GRANT SELECT ON events, audit_seals TO mypost_app;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mypost_now(), mypost_id(int) TO mypost_app, mypost_dispatch;
GRANT EXECUTE ON FUNCTION auth_find(text), auth_register(uuid, text, text, text), auth_rehash(uuid, text, text),
  session_open(uuid, uuid, timestamptz, uuid, bytea, timestamptz), session_viewer(uuid), session_revoke(uuid, text),
  session_of_token(bytea), session_rotate(bytea, uuid, bytea, timestamptz) TO mypost_app;
GRANT EXECUTE ON FUNCTION sequence_batch(int), sessions_forget() TO mypost_dispatch;

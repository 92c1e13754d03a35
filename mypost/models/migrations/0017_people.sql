-- A personal access token reaches the workspaces in which it allows something: one that allows nothing does not read.
CREATE OR REPLACE FUNCTION token_viewer(token uuid) RETURNS TABLE (
  user_id uuid, email text, name text, timezone text, created_at timestamptz, memberships jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT u.id, u.email, u.name, u.timezone, u.created_at, coalesce((
    SELECT jsonb_agg(jsonb_build_object(
        'workspaceId', m.workspace_id, 'workspace', w.name, 'roleId', r.id, 'role', r.name,
        'permissions', ARRAY(SELECT unnest(r.permissions) INTERSECT SELECT unnest(t.permissions)),
        'ownPostsOnly', r.own_posts_only) ORDER BY m.joined_at, m.id)
    FROM members m JOIN roles r ON r.id = m.role_id JOIN workspaces w ON w.id = m.workspace_id
    WHERE m.user_id = u.id AND w.deleted_at IS NULL AND r.permissions && t.permissions), '[]')
  FROM access_tokens t JOIN users u ON u.id = t.user_id
  WHERE t.id = token AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > mypost_now())
$$;

-- The limit holds however many are made at once: a person's tokens are counted one after another.
DROP FUNCTION access_token_add(uuid, uuid, text, bytea, text[], timestamptz);
CREATE FUNCTION access_token_add(token uuid, person uuid, called text, token_hash bytea, allowed text[], ends timestamptz, most int)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM 1 FROM users WHERE id = person FOR NO KEY UPDATE;
  IF (SELECT count(*) FROM access_tokens WHERE user_id = person AND revoked_at IS NULL) >= most THEN RETURN false; END IF;
  INSERT INTO access_tokens (id, user_id, name, hash, permissions, expires_at)
    VALUES (token, person, called, token_hash, allowed, ends);
  RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION access_token_add(uuid, uuid, text, bytea, text[], timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION access_token_add(uuid, uuid, text, bytea, text[], timestamptz, int) TO mypost_app;

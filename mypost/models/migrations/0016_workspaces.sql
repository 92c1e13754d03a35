-- A workspace that is deleted: nobody belongs to it any more, so nothing of it is in anybody's scope. Its rows stay,
-- the audit trail and its seals among them.

CREATE OR REPLACE FUNCTION session_viewer(session uuid) RETURNS TABLE (
  user_id uuid, email text, name text, timezone text, created_at timestamptz, memberships jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT u.id, u.email, u.name, u.timezone, u.created_at, coalesce((
    SELECT jsonb_agg(jsonb_build_object(
        'workspaceId', m.workspace_id, 'workspace', w.name, 'roleId', r.id, 'role', r.name,
        'permissions', r.permissions, 'ownPostsOnly', r.own_posts_only) ORDER BY m.joined_at, m.id)
    FROM members m JOIN roles r ON r.id = m.role_id JOIN workspaces w ON w.id = m.workspace_id
    WHERE m.user_id = u.id AND w.deleted_at IS NULL), '[]')
  FROM sessions s JOIN users u ON u.id = s.user_id
  WHERE s.id = session AND s.revoked_at IS NULL AND s.expires_at > mypost_now()
$$;

CREATE OR REPLACE FUNCTION token_viewer(token uuid) RETURNS TABLE (
  user_id uuid, email text, name text, timezone text, created_at timestamptz, memberships jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT u.id, u.email, u.name, u.timezone, u.created_at, coalesce((
    SELECT jsonb_agg(jsonb_build_object(
        'workspaceId', m.workspace_id, 'workspace', w.name, 'roleId', r.id, 'role', r.name,
        'permissions', ARRAY(SELECT unnest(r.permissions) INTERSECT SELECT unnest(t.permissions)),
        'ownPostsOnly', r.own_posts_only) ORDER BY m.joined_at, m.id)
    FROM members m JOIN roles r ON r.id = m.role_id JOIN workspaces w ON w.id = m.workspace_id
    WHERE m.user_id = u.id AND w.deleted_at IS NULL), '[]')
  FROM access_tokens t JOIN users u ON u.id = t.user_id
  WHERE t.id = token AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > mypost_now())
$$;

-- For the application: lock_brand for all brands of a workspace at once, in the common order.
CREATE FUNCTION lock_workspace(workspace uuid, OUT waiting bigint, OUT in_flight bigint) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE scope uuid[] := nullif(current_setting('mypost.ws', true), '')::uuid[];
BEGIN
  PERFORM 1 FROM lanes WHERE account_id IN (SELECT id FROM accounts WHERE workspace_id = workspace)
    AND workspace_id = ANY (scope) ORDER BY account_id FOR NO KEY UPDATE;
  PERFORM 1 FROM posts WHERE workspace_id = workspace AND workspace_id = ANY (scope) AND deleted_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  SELECT count(DISTINCT t.post_id) FILTER (WHERE t.state IN ('scheduled', 'claimed')),
         count(DISTINCT t.post_id) FILTER (WHERE t.state IN ('sending', 'confirming', 'unknown'))
    INTO waiting, in_flight
    FROM accounts a JOIN targets t ON t.account_id = a.id
    WHERE a.workspace_id = workspace AND a.workspace_id = ANY (scope);
END $$;
REVOKE EXECUTE ON FUNCTION lock_workspace(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_workspace(uuid) TO mypost_app;

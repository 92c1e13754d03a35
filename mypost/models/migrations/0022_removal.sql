-- Who writes a post keeps its brand and holds the lanes of its accounts before it looks at them: what is let go or
-- deleted meanwhile takes no new post. So a brand's row comes before the lanes wherever both are locked.

-- For the application: takes the lanes of these accounts, in the common order.
CREATE FUNCTION lock_lanes(accounts uuid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE scope uuid[] := nullif(current_setting('mypost.ws', true), '')::uuid[];
BEGIN
  PERFORM 1 FROM lanes WHERE account_id = ANY (accounts) AND workspace_id = ANY (scope) ORDER BY account_id FOR NO KEY UPDATE;
END $$;

CREATE OR REPLACE FUNCTION lock_workspace(workspace uuid, OUT waiting bigint, OUT in_flight bigint) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE scope uuid[] := nullif(current_setting('mypost.ws', true), '')::uuid[];
BEGIN
  PERFORM 1 FROM brands WHERE workspace_id = workspace AND workspace_id = ANY (scope) ORDER BY id FOR NO KEY UPDATE;
  PERFORM 1 FROM lanes WHERE account_id IN (SELECT id FROM accounts WHERE workspace_id = workspace)
    AND workspace_id = ANY (scope) ORDER BY account_id FOR NO KEY UPDATE;
  PERFORM 1 FROM posts WHERE workspace_id = workspace AND workspace_id = ANY (scope) AND deleted_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  SELECT count(DISTINCT t.post_id) FILTER (WHERE t.state IN ('scheduled', 'claimed')),
         count(DISTINCT t.post_id) FILTER (WHERE t.state IN ('sending', 'confirming', 'unknown'))
    INTO waiting, in_flight
    FROM accounts a JOIN targets t ON t.account_id = a.id
    WHERE a.workspace_id = workspace AND a.workspace_id = ANY (scope);
END $$;
REVOKE EXECUTE ON FUNCTION lock_lanes(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_lanes(uuid[]) TO mypost_app;

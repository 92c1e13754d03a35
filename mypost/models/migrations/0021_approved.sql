-- The hash of a post is computed once, and only for a post that has been approved: as a condition on rows of `approvals`
-- the planner was free to compute it for each of them.
CREATE OR REPLACE FUNCTION post_approved(post uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  SELECT coalesce(post_content_hash(post) = (SELECT a.content_hash FROM posts p JOIN approvals a ON a.id = p.approval_id
    WHERE p.id = post AND a.status = 'approved'), false)
$$;

-- Approvals: bound to the exact content of a post, decided once, void as soon as that content is another.
-- A workspace that demands them schedules nothing else, whatever the application forgets.

ALTER TABLE approvals
  ALTER requested_at SET DEFAULT mypost_now(),
  ADD UNIQUE (workspace_id, id),
  ADD FOREIGN KEY (workspace_id, brand_id) REFERENCES brands (workspace_id, id),
  ADD FOREIGN KEY (workspace_id, post_id) REFERENCES posts (workspace_id, id),
  ADD FOREIGN KEY (requested_by) REFERENCES users (id),
  ADD FOREIGN KEY (decided_by) REFERENCES users (id),
  ADD CONSTRAINT known_status CHECK (status IN ('pending', 'approved', 'rejected', 'voided', 'withdrawn')),
  ADD CONSTRAINT decided_by_somebody CHECK ((decided_by IS NULL) = (decided_at IS NULL)
    AND (decided_by IS NOT NULL OR status NOT IN ('approved', 'rejected'))),
  ADD CONSTRAINT rejected_says_why CHECK ((reason IS NOT NULL) = (status = 'rejected'));
ALTER TABLE posts ADD FOREIGN KEY (workspace_id, approval_id) REFERENCES approvals (workspace_id, id);
CREATE UNIQUE INDEX one_open_approval ON approvals (post_id) WHERE status IN ('pending', 'approved');
CREATE INDEX approvals_by_workspace ON approvals (workspace_id, requested_at DESC, id DESC);
CREATE INDEX approvals_pending ON approvals (workspace_id, requested_at DESC, id DESC) WHERE status = 'pending';
CREATE INDEX posts_by_approval ON posts (approval_id) WHERE approval_id IS NOT NULL;

ALTER TABLE approvals ENABLE ROW LEVEL SECURITY;
ALTER TABLE approvals FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON approvals TO mypost_app
  USING (workspace_id = ANY ((SELECT nullif(current_setting('mypost.ws', true), '')::uuid[])::uuid[]));
CREATE POLICY definer ON approvals TO mypost_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT (id, workspace_id, brand_id, post_id, requested_by),
  UPDATE (status, decided_by, decided_at, reason) ON approvals TO mypost_app;

-- The exact content: everything of a post that a network is sent. What a post learns to send later is added here, and
-- nowhere else if it lives in `posts`; a column of `targets` is also named in the trigger `content_changed` below.
-- The time is no content: a post under review has none, and who schedules it afterwards changes no word of it.
CREATE FUNCTION post_content_hash(post uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  SELECT encode(sha256(convert_to(jsonb_build_object(
      'content', p.content,
      'targets', (SELECT jsonb_agg(jsonb_build_array(t.account_id, t.content, t.options) ORDER BY t.account_id, t.id)
                  FROM targets t WHERE t.post_id = p.id AND NOT t.removed))::text, 'UTF8')), 'hex')
  FROM posts p WHERE p.id = post
$$;

CREATE FUNCTION post_approved(post uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM posts p JOIN approvals a ON a.id = p.approval_id
    WHERE p.id = post AND a.status = 'approved' AND a.content_hash = post_content_hash(post))
$$;

-- Whether people decide their own requests: where the workspace allows it, or nobody else is there.
CREATE FUNCTION approves_itself(workspace uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  SELECT allow_self_approval OR (SELECT count(*) FROM members WHERE workspace_id = workspace) = 1
  FROM workspaces WHERE id = workspace
$$;

-- What people see of a post that is not planned.
CREATE FUNCTION review_phase(p posts) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT CASE a.status WHEN 'pending' THEN 'pending_approval' WHEN 'approved' THEN 'approved'
                                        WHEN 'rejected' THEN 'rejected' END
                   FROM approvals a WHERE a.id = p.approval_id), 'draft')
$$;
CREATE OR REPLACE FUNCTION post_phase(p posts) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN p.stage NOT IN ('scheduled', 'publishing') THEN review_phase(p) ELSE (
    SELECT CASE
      WHEN count(*) = 0 THEN review_phase(p)
      WHEN bool_and(state IN ('scheduled', 'claimed') AND attempts = 0) THEN p.stage
      WHEN bool_or(state IN ('scheduled', 'claimed', 'sending', 'confirming', 'unknown')) THEN 'publishing'
      WHEN bool_or(state = 'needs_confirmation') THEN 'needs_confirmation'
      WHEN bool_and(state = 'published') THEN 'published'
      WHEN bool_or(state = 'published') THEN 'partially_published'
      ELSE 'failed' END
    FROM targets WHERE post_id = p.id AND state NOT IN ('pending', 'cancelled')) END
$$;

CREATE FUNCTION is_draft(phase text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT phase IN ('draft', 'pending_approval', 'approved', 'rejected')
$$;

CREATE OR REPLACE FUNCTION targets_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO transitions (workspace_id, target_id, from_state, to_state, needs_proof, proof, proof_read_at, sent_at, settled_at,
                           fence, generation, by_role, by_user)
    SELECT n.workspace_id, n.id, o.state, n.state, coalesce(r.needs_proof, false),
           CASE WHEN r.needs_proof THEN n.proof END, CASE WHEN r.needs_proof THEN n.proof_read_at END,
           n.sent_at, n.settled_at, n.fence, n.generation,
           coalesce(nullif(current_setting('role'), 'none'), session_user),
           CASE WHEN r.needs_proof AND n.proof = 'person' THEN n.resolved_by END
    FROM moved_to n JOIN moved_from o USING (id)
    LEFT JOIN transition_rules r ON r.from_state = o.state AND r.to_state = n.state
    WHERE n.state <> o.state;

  -- Who follows an unknown, or what a network is still at, waits for it: 90 s at most, then order yields to time.
  UPDATE lanes l SET
      next_due_at = (SELECT min(t.due_at) FROM targets t WHERE t.account_id = l.account_id AND t.state = 'scheduled'),
      busy_target = (SELECT t.id FROM targets t WHERE t.account_id = l.account_id AND t.state IN ('claimed', 'sending')),
      fence = l.fence + CASE WHEN c.taken THEN 1 ELSE 0 END,
      hold_until = CASE WHEN c.lost THEN greatest(l.hold_until, mypost_now() + interval '90 s')
                        WHEN l.hold_until <= mypost_now() OR c.settled AND l.hold_reason = 'unknown' THEN NULL
                        ELSE l.hold_until END,
      hold_reason = CASE WHEN c.lost AND (l.hold_until IS NULL OR l.hold_until <= mypost_now()) THEN 'unknown'
                         WHEN c.lost THEN l.hold_reason
                         WHEN l.hold_until <= mypost_now() OR c.settled AND l.hold_reason = 'unknown' THEN NULL
                         ELSE l.hold_reason END
    FROM (SELECT n.account_id, bool_or(n.state = 'claimed' AND o.state = 'scheduled') AS taken,
                 bool_or(n.state IN ('unknown', 'confirming') AND o.state <> n.state) AS lost,
                 bool_or(o.state IN ('unknown', 'confirming') AND n.state NOT IN ('unknown', 'confirming')) AS settled
          FROM moved_to n JOIN moved_from o USING (id)
          WHERE n.state <> o.state OR n.due_at IS DISTINCT FROM o.due_at GROUP BY n.account_id) c
    WHERE l.account_id = c.account_id;

  INSERT INTO outbox (workspace_id, type, brand_id, payload)
    SELECT n.workspace_id, CASE WHEN target_status(n.state) <> target_status(o.state) THEN 'target.' || target_status(n.state)
                                ELSE 'target.at_risk' END,
        p.brand_id, jsonb_build_object(
        'postId', n.post_id, 'targetId', n.id, 'accountId', n.account_id, 'brandId', p.brand_id,
        'previousStatus', target_status(o.state), 'status', target_status(n.state),
        'previousPhase', p.phase, 'phase', post_phase(p)) || CASE WHEN n.risk IS NULL THEN '{}' ELSE jsonb_build_object('risk', n.risk) END
    FROM moved_to n JOIN moved_from o USING (id) JOIN posts p ON p.id = n.post_id
    WHERE target_status(n.state) <> target_status(o.state) OR n.risk <> coalesce(o.risk, '');

  -- Asked once for each post: `moved` names `becomes` five times.
  WITH found AS MATERIALIZED (
    SELECT p.id, p.phase AS was, post_phase(p) AS becomes FROM posts p
    WHERE p.id IN (SELECT n.post_id FROM moved_to n JOIN moved_from o USING (id)
                   WHERE n.state <> o.state OR n.attempts <> o.attempts)
  ), moved AS (
    UPDATE posts p SET phase = f.becomes, updated_at = mypost_now(),
        published_at = CASE WHEN f.becomes IN ('published', 'partially_published')
                            THEN (SELECT max(t.published_at) FROM targets t WHERE t.post_id = p.id) END,
        scheduled_at = CASE WHEN is_draft(f.becomes) THEN NULL ELSE p.scheduled_at END,
        stage = CASE WHEN is_draft(f.becomes) THEN 'draft' ELSE p.stage END
      FROM found f WHERE p.id = f.id AND f.was <> f.becomes RETURNING p.*, f.was
  ), told AS (
    INSERT INTO outbox (workspace_id, type, brand_id, payload)
      SELECT m.workspace_id,
             'post.' || CASE WHEN is_draft(m.phase) THEN 'cancelled' ELSE m.phase END,
             m.brand_id, jsonb_build_object('postId', m.id, 'brandId', m.brand_id, 'previousPhase', m.was,
               'phase', m.phase, 'scheduledAt', m.scheduled_at, 'publishedAt', m.published_at)
      FROM moved m
  )
  INSERT INTO audit_events (id, workspace_id, action, user_id, actor_type, resource_type, resource_id, metadata)
    SELECT mypost_id(13), m.workspace_id, 'post.' || m.phase, m.scheduled_by, 'system', 'post', m.id, '{}'
    FROM moved m WHERE m.phase IN ('published', 'partially_published', 'failed', 'needs_confirmation');

  PERFORM forecast(c.account_id) FROM (
      SELECT DISTINCT n.account_id FROM moved_to n JOIN moved_from o USING (id)
      WHERE n.state = 'scheduled' AND (o.state <> 'scheduled' OR n.due_at <> o.due_at)) c
    JOIN accounts a ON a.id = c.account_id JOIN lanes l ON l.account_id = c.account_id
    WHERE a.grant_ends_at IS NOT NULL OR a.status = 'needs_reauth' OR l.budget_limit IS NOT NULL;
  RETURN NULL;
END $$;

-- A request is about what the post says now, is decided once, by somebody else, and what was approved may become void.
CREATE FUNCTION approval_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.status := 'pending';
    NEW.content_hash := post_content_hash(NEW.post_id);
    NEW.requested_at := mypost_now();
    RETURN NEW;
  END IF;
  IF (NEW.id, NEW.workspace_id, NEW.brand_id, NEW.post_id, NEW.content_hash, NEW.requested_by, NEW.requested_at)
     <> (OLD.id, OLD.workspace_id, OLD.brand_id, OLD.post_id, OLD.content_hash, OLD.requested_by, OLD.requested_at) THEN
    RAISE EXCEPTION 'a request stays what it asked' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.status = OLD.status OR (OLD.status, NEW.status) <> ('approved', 'voided') AND OLD.status <> 'pending' THEN
    RAISE EXCEPTION 'a request is decided once' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.status = 'approved' AND NEW.content_hash <> post_content_hash(NEW.post_id) THEN
    RAISE EXCEPTION 'the post is not what was to be reviewed' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.status IN ('approved', 'rejected') AND NEW.decided_by = NEW.requested_by AND NOT approves_itself(NEW.workspace_id) THEN
    RAISE EXCEPTION 'nobody decides his own request' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON approvals FOR EACH ROW EXECUTE FUNCTION approval_guard();

-- Takes a post out of its lanes; the caller holds its locks.
CREATE FUNCTION post_unplan(post uuid) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  UPDATE posts SET stage = 'draft', scheduled_at = NULL, scheduled_by = NULL, updated_at = mypost_now()
    WHERE id = post AND stage IN ('scheduled', 'publishing');
  UPDATE targets SET state = 'pending', due_at = NULL, next_attempt_at = NULL, attempts = 0, error = NULL,
      fence = fence + 1, lease_owner = NULL, lease_until = NULL
    WHERE post_id = post AND NOT removed AND state IN ('scheduled', 'claimed');
$$;

-- What a request does: its post follows, whoever listens is told; where approval is demanded, a void one stops the post.
CREATE FUNCTION approval_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO outbox (workspace_id, type, brand_id, payload) VALUES (NEW.workspace_id,
    'approval.' || CASE NEW.status WHEN 'pending' THEN 'requested' ELSE NEW.status END, NEW.brand_id,
    jsonb_build_object('approvalId', NEW.id, 'postId', NEW.post_id, 'brandId', NEW.brand_id,
      'previousStatus', CASE TG_OP WHEN 'UPDATE' THEN OLD.status END, 'status', NEW.status));
  IF TG_OP = 'INSERT' THEN
    UPDATE posts SET approval_id = NEW.id WHERE id = NEW.post_id;
  ELSIF NEW.status = 'voided' THEN
    INSERT INTO audit_events (id, workspace_id, action, user_id, actor_type, resource_type, resource_id, metadata)
      VALUES (mypost_id(13), NEW.workspace_id, 'approval.voided', NEW.requested_by, 'system', 'approval', NEW.id,
        jsonb_build_object('postId', NEW.post_id));
    IF OLD.status = 'approved' AND (SELECT approval_required FROM workspaces WHERE id = NEW.workspace_id) THEN
      PERFORM post_unplan(NEW.post_id);
    END IF;
  END IF;
  WITH moved AS (
    UPDATE posts p SET phase = review_phase(p), updated_at = mypost_now() FROM posts o
      WHERE p.id = NEW.post_id AND o.id = p.id AND p.stage = 'draft' AND p.phase <> review_phase(p)
      RETURNING p.*, o.phase AS was)
  INSERT INTO outbox (workspace_id, type, brand_id, payload)
    SELECT m.workspace_id, 'post.' || m.phase, m.brand_id, jsonb_build_object('postId', m.id, 'brandId', m.brand_id,
      'previousPhase', m.was, 'phase', m.phase, 'scheduledAt', m.scheduled_at, 'publishedAt', m.published_at)
    FROM moved m;
  RETURN NULL;
END $$;
CREATE TRIGGER moved AFTER INSERT OR UPDATE ON approvals FOR EACH ROW EXECUTE FUNCTION approval_moved();

-- Voids the request of a post that says something else by now, or is gone.
CREATE FUNCTION approval_settle(post uuid) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  UPDATE approvals a SET status = 'voided' FROM posts p
    WHERE p.id = post AND a.id = p.approval_id AND a.status IN ('pending', 'approved')
      AND (p.deleted_at IS NOT NULL OR a.content_hash <> post_content_hash(post))
$$;
CREATE FUNCTION post_edited() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM approval_settle(NEW.id);
  RETURN NULL;
END $$;
-- Every edit by a person raises the version.
CREATE TRIGGER edited AFTER UPDATE ON posts FOR EACH ROW
  WHEN (NEW.approval_id IS NOT NULL AND (NEW.version <> OLD.version OR NEW.content <> OLD.content
    OR NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL))
  EXECUTE FUNCTION post_edited();

CREATE FUNCTION target_edited() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM approval_settle(NEW.post_id);
  RETURN NULL;
END $$;
CREATE TRIGGER content_changed AFTER UPDATE OF content, options, removed ON targets FOR EACH ROW
  WHEN ((NEW.content, NEW.options, NEW.removed) IS DISTINCT FROM (OLD.content, OLD.options, OLD.removed))
  EXECUTE FUNCTION target_edited();
CREATE TRIGGER joined AFTER INSERT ON targets FOR EACH ROW EXECUTE FUNCTION target_edited();

-- Where approval is demanded: who plans a post that has none is refused, and a target that is claimed without one
-- goes back to its draft instead of out. The lock lets nobody demand approval between this look and the plan's commit.
CREATE FUNCTION target_planned() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE demanded boolean;
BEGIN
  IF NEW.state = 'scheduled' THEN
    SELECT approval_required INTO demanded FROM workspaces WHERE id = NEW.workspace_id FOR KEY SHARE;
    IF demanded AND NOT post_approved(NEW.post_id) THEN
      RAISE EXCEPTION 'this workspace demands approval' USING ERRCODE = 'MP002';
    END IF;
    RETURN NEW;
  END IF;
  SELECT approval_required INTO demanded FROM workspaces WHERE id = NEW.workspace_id;
  IF demanded AND NOT post_approved(NEW.post_id) THEN
    NEW.state := 'pending';
    NEW.due_at := NULL;
    NEW.next_attempt_at := NULL;
    NEW.error := NULL;
    NEW.lease_owner := NULL;
    NEW.lease_until := NULL;
    INSERT INTO audit_events (id, workspace_id, action, user_id, actor_type, resource_type, resource_id, metadata)
      SELECT mypost_id(13), p.workspace_id, 'post.cancelled', p.scheduled_by, 'system', 'post', p.id,
        jsonb_build_object('targetId', NEW.id, 'reason', 'approval_required')
      FROM posts p WHERE p.id = NEW.post_id;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER approved BEFORE UPDATE ON targets FOR EACH ROW
  WHEN (NEW.state = 'scheduled' AND OLD.state IN ('pending', 'failed', 'needs_confirmation')
    OR NEW.state = 'claimed' AND OLD.state = 'scheduled')
  EXECUTE FUNCTION target_planned();

-- For the application, before it demands approval: how many planned posts have none. Holds off every plan until commit.
CREATE FUNCTION planned_unapproved(workspace uuid) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE scope uuid[] := nullif(current_setting('mypost.ws', true), '')::uuid[];
BEGIN
  PERFORM 1 FROM workspaces WHERE id = workspace AND id = ANY (scope) FOR UPDATE;
  RETURN (SELECT count(*) FROM (
    SELECT DISTINCT t.post_id FROM accounts a JOIN targets t ON t.account_id = a.id
    WHERE a.workspace_id = workspace AND a.workspace_id = ANY (scope)
      AND t.state IN ('scheduled', 'claimed', 'sending', 'confirming', 'unknown')) planned
    WHERE NOT post_approved(planned.post_id));
END $$;

REVOKE EXECUTE ON FUNCTION post_content_hash(uuid), post_approved(uuid), approves_itself(uuid), review_phase(posts), is_draft(text), approval_guard(),
  post_unplan(uuid), approval_moved(), approval_settle(uuid), post_edited(), target_edited(), target_planned(),
  planned_unapproved(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION approves_itself(uuid), planned_unapproved(uuid) TO mypost_app;

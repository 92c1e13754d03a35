-- What was done ahead is stored under the fence it was begun with; and what a move costs does not grow with the table.

-- `post_phase` and the locks of a post ask for all of its targets, the locks of an account for all of its own: an index
-- without the removed ones answers neither, so every move read the whole table.
DROP INDEX targets_by_post, targets_by_account;
CREATE INDEX targets_by_post ON targets (post_id, position, id);
CREATE INDEX targets_by_account ON targets (account_id, post_id);

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

-- A plan made while a table was empty would read all of it, until its statistics come: an event is not looked for, and the
-- row of an audit is looked for by its key.
CREATE OR REPLACE FUNCTION sequence_batch(most int) RETURNS SETOF events LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
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
      RETURN QUERY INSERT INTO events VALUES (o.workspace_id, c.event_number, o.id, o.type, o.brand_id, o.payload, o.occurred_at)
        RETURNING *;
    END IF;
  END LOOP;
END $$;

-- What became of many targets at once: one statement moves them, so that what follows from a move is worked out together.
-- Answers which of them it has moved; the others' fences or states have moved on. By network, so that gates are locked in order.
DROP FUNCTION dispatch_outcome(uuid, bigint, text, text, jsonb);
CREATE FUNCTION dispatch_outcomes(outcomes jsonb) RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE o record; hits uuid[] := '{}';
BEGIN
  PERFORM dispatch_lock(ARRAY(SELECT (e ->> 'target')::uuid FROM jsonb_array_elements(outcomes) e));
  FOR o IN
    WITH told AS (
      SELECT (e ->> 'target')::uuid AS id, (e ->> 'fence')::bigint AS fence, e ->> 'cameFrom' AS came_from, e ->> 'goesTo' AS goes_to,
             mypost_now() + make_interval(secs => (e ->> 'retryIn')::float8) AS retry_at, e AS facts
      FROM jsonb_array_elements(outcomes) e
    ), written AS (
      UPDATE targets t SET state = w.goes_to, lease_owner = NULL, lease_until = NULL, proof = facts ->> 'proof',
          proof_read_at = CASE WHEN facts ->> 'proof' IN ('lookup_found', 'lookup_absent') THEN t.looked_at END,
          external_id = facts ->> 'externalId', external_url = facts ->> 'externalUrl',
          published_at = CASE WHEN w.goes_to = 'published' THEN mypost_now() END,
          error = nullif(facts -> 'error', 'null'), next_attempt_at = w.retry_at,
          check_at = mypost_now() + make_interval(secs => (facts ->> 'checkIn')::float8),
          handle = CASE WHEN facts ->> 'handle' = '' THEN NULL ELSE coalesce(facts ->> 'handle', t.handle) END
        FROM told w WHERE t.id = w.id AND t.fence = w.fence AND t.state = w.came_from
        RETURNING t.id, t.account_id, w.goes_to, w.retry_at, facts)
    SELECT w.*, l.network FROM written w JOIN lanes l ON l.account_id = w.account_id ORDER BY l.network, w.account_id
  LOOP
    hits := hits || o.id;
    -- An account that was connected anew meanwhile is not held for what its old grant met.
    IF o.facts ->> 'holdReason' IS NOT NULL THEN
      UPDATE lanes l SET hold_until = coalesce(o.retry_at, 'infinity'), hold_reason = o.facts ->> 'holdReason'
        WHERE l.account_id = o.account_id
          AND (o.facts ->> 'holdReason' <> 'needs_reauth' OR l.fence = (o.facts ->> 'laneFence')::bigint);
    END IF;
    IF o.facts ->> 'accountStatus' IS NOT NULL THEN
      UPDATE accounts a SET status = o.facts ->> 'accountStatus', last_error = left(o.facts #>> '{error,message}', 500),
          updated_at = mypost_now()
        FROM lanes l WHERE a.id = o.account_id AND a.status IN ('active', 'expiring')
          AND l.account_id = o.account_id AND l.fence = (o.facts ->> 'laneFence')::bigint;
    END IF;
    IF o.facts ->> 'trouble' IS NOT NULL THEN
      PERFORM breaker_count(o.account_id, (o.facts ->> 'trouble')::boolean);
    END IF;
    PERFORM budget_told(o.account_id, o.facts -> 'budgets', o.goes_to = 'scheduled');
    IF (o.facts ->> 'everybody')::boolean THEN
      INSERT INTO gates AS g (network, hold_until, hold_reason) VALUES (o.network, o.retry_at, 'rate_limited')
        ON CONFLICT (network) DO UPDATE SET hold_until = greatest(g.hold_until, o.retry_at),
          hold_reason = coalesce(g.hold_reason, 'rate_limited');
    END IF;
  END LOOP;
  RETURN hits;
END $$;

-- 1: take idle due lanes, and the head of each: looked for once in each lane, however the planner would like to join.
CREATE OR REPLACE FUNCTION dispatch_claim(worker uuid, most int) RETURNS TABLE (target_id uuid, target_fence bigint, network text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE taken uuid[]; shut text[]; probed uuid; g gates; now_here timestamptz := mypost_now();
BEGIN
  IF NOT EXISTS (SELECT 1 FROM installation WHERE quarantined_at IS NULL AND started_at = pg_postmaster_start_time()) THEN RETURN; END IF;
  SELECT coalesce(array_agg(x.network), '{}') INTO shut FROM gates x WHERE x.opened > 0 OR x.hold_until > now_here
    OR x.budget_resets_at > now_here;
  SELECT coalesce(array_agg(l.account_id), '{}') INTO taken FROM (
    SELECT account_id FROM lanes
    WHERE busy_target IS NULL AND next_due_at <= now_here AND (hold_until IS NULL OR hold_until <= now_here)
      AND lanes.network <> ALL (shut)
    ORDER BY next_due_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED) l;
  -- An open breaker lets one through when its time is over; a budget that is known lets as many through as it holds.
  FOR g IN SELECT * FROM gates WHERE gates.network = ANY (shut) AND (hold_until IS NULL OR hold_until <= now_here)
           FOR NO KEY UPDATE SKIP LOCKED LOOP
    FOR probed IN SELECT account_id FROM lanes
        WHERE busy_target IS NULL AND next_due_at <= now_here AND (hold_until IS NULL OR hold_until <= now_here)
          AND lanes.network = g.network
        ORDER BY next_due_at LIMIT least(most - cardinality(taken), CASE WHEN g.opened > 0 THEN 1 END,
          CASE WHEN g.budget_resets_at > now_here THEN greatest(0, g.budget_left - g.budget_limit / 10) END)
        FOR NO KEY UPDATE SKIP LOCKED LOOP
      taken := taken || probed;
      UPDATE gates x SET budget_left = x.budget_left - 1,
          hold_until = CASE WHEN g.opened > 0 THEN now_here + interval '30 s' ELSE x.hold_until END,
          hold_reason = CASE WHEN g.opened > 0 THEN 'breaker' ELSE x.hold_reason END
        WHERE x.network = g.network;
    END LOOP;
  END LOOP;
  RETURN QUERY
    WITH heads AS MATERIALIZED (
      SELECT h.id, l.network FROM lanes l, LATERAL (
        SELECT t.id FROM targets t WHERE t.account_id = l.account_id AND t.state = 'scheduled' AND t.due_at <= now_here
        ORDER BY t.due_at, t.created_at, t.id LIMIT 1) h
      WHERE l.account_id = ANY (taken))
    UPDATE targets t SET state = 'claimed', fence = t.fence + 1, lease_owner = worker, lease_until = now_here + interval '5 s'
      FROM heads WHERE t.id = heads.id AND t.state = 'scheduled'
      RETURNING t.id, t.fence, heads.network;
END $$;

-- Stores a handle for exactly the words it was made of, while nobody has claimed, moved or cancelled the target since.
-- False otherwise: another handle may be on its way into the world, and a lookup has to find that one.
DROP FUNCTION dispatch_prepared(uuid, uuid, text, text, timestamptz, jsonb);
CREATE FUNCTION dispatch_prepared(target uuid, its_fence bigint, key uuid, words text, new_handle text, ends timestamptz, budgets jsonb)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM dispatch_lock(ARRAY[target]);
  PERFORM budget_told(t.account_id, budgets, true) FROM targets t WHERE t.id = target;
  UPDATE targets t SET handle = new_handle, handle_ends_at = ends, prepare_at = NULL
    FROM posts p WHERE t.id = target AND p.id = t.post_id AND t.fence = its_fence AND t.dispatch_key = key
      AND coalesce(t.content, p.content) = words AND t.state IN ('scheduled', 'sending');
  RETURN FOUND;
END $$;

-- Ends a preparation: for good, or until so many seconds have passed. One that comes late ends nothing.
DROP FUNCTION dispatch_ahead_done(uuid, float8);
CREATE FUNCTION dispatch_ahead_done(target uuid, its_fence bigint, seconds float8) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  UPDATE targets SET prepare_at = mypost_now() + make_interval(secs => seconds)
    WHERE id = target AND fence = its_fence AND state = 'scheduled'
$$;

REVOKE EXECUTE ON FUNCTION dispatch_outcomes(jsonb), dispatch_prepared(uuid, bigint, uuid, text, text, timestamptz, jsonb), dispatch_ahead_done(uuid, bigint, float8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dispatch_outcomes(jsonb), dispatch_prepared(uuid, bigint, uuid, text, text, timestamptz, jsonb), dispatch_ahead_done(uuid, bigint, float8) TO mypost_dispatch;

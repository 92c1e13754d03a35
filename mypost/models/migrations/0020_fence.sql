-- What was done ahead is stored under the fence it was begun with; and what a move costs does not grow with the table.

-- `post_phase` and the locks of a post ask for all of its targets, the locks of an account for all of its own: an index
-- without the removed ones answers neither, so every move read the whole table.
DROP INDEX targets_by_post, targets_by_account;
CREATE INDEX targets_by_post ON targets (post_id, position, id);
CREATE INDEX targets_by_account ON targets (account_id, post_id);

-- A row that the schema itself writes names a workspace and a target that are there: it copies them from a row that is bound to
-- both, and nobody deletes either; for events and seals `counters` is bound. To look again locked one row for all the world.
ALTER TABLE outbox DROP CONSTRAINT outbox_workspace_id_fkey;
ALTER TABLE events DROP CONSTRAINT events_workspace_id_fkey;
ALTER TABLE audit_seals DROP CONSTRAINT audit_seals_workspace_id_fkey;
ALTER TABLE transitions DROP CONSTRAINT transitions_workspace_id_target_id_fkey;
ALTER TABLE targets DROP CONSTRAINT targets_workspace_id_id_key;

-- The clock is asked thirty times for each send, so the planner puts its words in the place of the call. Only tests shift it.
CREATE OR REPLACE FUNCTION mypost_now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT statement_timestamp()';
CREATE FUNCTION clock_shifted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE OR REPLACE FUNCTION mypost_now() RETURNS timestamptz LANGUAGE sql STABLE AS %L',
    format('SELECT statement_timestamp() + interval %L', (SELECT c.by FROM clock_offset c)));
  RETURN NULL;
END $$;
CREATE TRIGGER shifted AFTER INSERT OR UPDATE ON clock_offset FOR EACH ROW EXECUTE FUNCTION clock_shifted();

-- One more link of a chain of seals; the first hangs on the last of the batch before.
CREATE FUNCTION seal_next(so_far bytea, hangs_on bytea, entry bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
  SELECT sha256(coalesce(so_far, hangs_on) || entry)
$$;
CREATE AGGREGATE seal_chain(hangs_on bytea, entry bytea) (SFUNC = seal_next, STYPE = bytea);

-- Numbers a batch in one statement. A plan made while a table was empty would read all of it, until its statistics come:
-- an event is not looked for, and the row of an audit is looked for by its key.
CREATE OR REPLACE FUNCTION sequence_batch(most int) RETURNS SETOF events LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
BEGIN
  RETURN QUERY
    WITH taken AS MATERIALIZED (
      DELETE FROM outbox WHERE pos = ANY (ARRAY(SELECT pos FROM outbox ORDER BY pos LIMIT most FOR UPDATE SKIP LOCKED)) RETURNING *
    ), held AS MATERIALIZED (
      SELECT * FROM counters WHERE workspace_id IN (SELECT workspace_id FROM taken) ORDER BY workspace_id FOR UPDATE
    ), told AS MATERIALIZED (
      SELECT t.*, coalesce(h.event_number, 0) + row_number() OVER (PARTITION BY t.workspace_id ORDER BY t.pos) AS number
      FROM taken t LEFT JOIN held h ON h.workspace_id = t.workspace_id WHERE t.audit_id IS NULL
    ), sealed AS MATERIALIZED (
      SELECT t.*, coalesce(h.seal_number, 0) + row_number() OVER (PARTITION BY t.workspace_id ORDER BY t.pos) AS number,
             seal_chain(coalesce(h.seal, ''), convert_to(audit_canonical(x), 'UTF8')) OVER (PARTITION BY t.workspace_id ORDER BY t.pos) AS seal
      FROM taken t JOIN audit_events x ON x.id = t.audit_id LEFT JOIN held h ON h.workspace_id = t.workspace_id
    ), kept AS (
      INSERT INTO audit_seals SELECT s.workspace_id, s.number, s.audit_id, s.seal FROM sealed s ORDER BY s.pos
    ), counted AS (
      INSERT INTO counters AS k (workspace_id, event_number, seal_number, seal)
        SELECT n.workspace_id, coalesce(max(n.number) FILTER (WHERE n.seal IS NULL), 0), count(n.seal),
               coalesce((array_agg(n.seal ORDER BY n.number DESC) FILTER (WHERE n.seal IS NOT NULL))[1], '')
        FROM (SELECT workspace_id, number, NULL::bytea AS seal FROM told UNION ALL SELECT workspace_id, number, seal FROM sealed) n
        GROUP BY n.workspace_id
        ON CONFLICT (workspace_id) DO UPDATE SET event_number = greatest(k.event_number, excluded.event_number),
          seal_number = k.seal_number + excluded.seal_number,
          seal = CASE WHEN excluded.seal_number > 0 THEN excluded.seal ELSE k.seal END
    )
    INSERT INTO events SELECT t.workspace_id, t.number, t.id, t.type, t.brand_id, t.payload, t.occurred_at FROM told t ORDER BY t.pos
      RETURNING *;
END $$;

-- What became of posts, from what became of their targets: those of a statement are asked for together.
CREATE FUNCTION post_phases(posts uuid[]) RETURNS TABLE (id uuid, phase text) LANGUAGE sql STABLE ROWS 20 AS $$
  SELECT p.id, CASE
      WHEN p.stage NOT IN ('scheduled', 'publishing') OR s.planned = 0 THEN review_phase(p)
      WHEN s.untouched THEN p.stage
      WHEN s.going THEN 'publishing'
      WHEN s.asks THEN 'needs_confirmation'
      WHEN s.all_live THEN 'published'
      WHEN s.live THEN 'partially_published'
      ELSE 'failed' END
  FROM posts p, LATERAL (
    SELECT count(*) AS planned, bool_and(t.state IN ('scheduled', 'claimed') AND t.attempts = 0) AS untouched,
           bool_or(t.state IN ('scheduled', 'claimed', 'sending', 'confirming', 'unknown')) AS going,
           bool_or(t.state = 'needs_confirmation') AS asks, bool_and(t.state = 'published') AS all_live, bool_or(t.state = 'published') AS live
    FROM targets t WHERE t.post_id = p.id AND t.state NOT IN ('pending', 'cancelled')) s
  WHERE p.id = ANY (posts)
$$;
CREATE OR REPLACE FUNCTION post_phase(p posts) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT f.phase FROM post_phases(ARRAY[p.id]) f
$$;

-- What follows from the moves of one statement, in two: first what each target tells, its history and its lane; then its post,
-- and what everybody hears. A plan that reads a table whole is never right here, whatever is known of its size.
CREATE OR REPLACE FUNCTION targets_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
BEGIN
  WITH m AS MATERIALIZED (
    SELECT n.*, o.state AS was, o.due_at AS was_due FROM moved_to n JOIN moved_from o USING (id)
    WHERE n.state <> o.state OR n.due_at IS DISTINCT FROM o.due_at
  ), told AS (
    INSERT INTO transitions (workspace_id, target_id, from_state, to_state, needs_proof, proof, proof_read_at, sent_at, settled_at,
                             fence, generation, by_role, by_user)
      SELECT m.workspace_id, m.id, m.was, m.state, coalesce(r.needs_proof, false),
             CASE WHEN r.needs_proof THEN m.proof END, CASE WHEN r.needs_proof THEN m.proof_read_at END,
             m.sent_at, m.settled_at, m.fence, m.generation,
             coalesce(nullif(current_setting('role'), 'none'), session_user),
             CASE WHEN r.needs_proof AND m.proof = 'person' THEN m.resolved_by END
      FROM m LEFT JOIN transition_rules r ON r.from_state = m.was AND r.to_state = m.state
      WHERE m.state <> m.was
  )
  -- Who follows an unknown, or what a network is still at, waits for it: 90 s at most, then order yields to time.
  -- A lane that stays as busy as it was has nothing to learn.
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
    FROM (SELECT m.account_id, bool_or(m.state = 'claimed' AND m.was = 'scheduled') AS taken,
                 bool_or(m.state IN ('unknown', 'confirming') AND m.was <> m.state) AS lost,
                 bool_or(m.was IN ('unknown', 'confirming') AND m.state NOT IN ('unknown', 'confirming')) AS settled
          FROM m WHERE (m.was, m.state) <> ('claimed', 'sending') GROUP BY m.account_id) c
    WHERE l.account_id = c.account_id;

  WITH m AS MATERIALIZED (
    SELECT n.*, o.state AS was, o.risk AS was_risk FROM moved_to n JOIN moved_from o USING (id)
    WHERE n.state <> o.state OR n.attempts <> o.attempts OR n.risk <> coalesce(o.risk, '')
  ), found AS MATERIALIZED (
    SELECT p.id, p.brand_id, p.phase AS was, f.phase AS becomes
    FROM post_phases(ARRAY(SELECT m.post_id FROM m)) f JOIN posts p ON p.id = f.id
  ), moved AS (
    UPDATE posts p SET phase = f.becomes, updated_at = mypost_now(),
        published_at = CASE WHEN f.becomes IN ('published', 'partially_published')
                            THEN (SELECT max(t.published_at) FROM targets t WHERE t.post_id = p.id) END,
        scheduled_at = CASE WHEN is_draft(f.becomes) THEN NULL ELSE p.scheduled_at END,
        stage = CASE WHEN is_draft(f.becomes) THEN 'draft' ELSE p.stage END
      FROM found f WHERE p.id = f.id AND f.was <> f.becomes RETURNING p.*, f.was
  ), heard AS (
    INSERT INTO outbox (workspace_id, type, brand_id, payload)
      SELECT m.workspace_id, CASE WHEN target_status(m.state) <> target_status(m.was) THEN 'target.' || target_status(m.state)
                                  ELSE 'target.at_risk' END,
          f.brand_id, jsonb_build_object(
          'postId', m.post_id, 'targetId', m.id, 'accountId', m.account_id, 'brandId', f.brand_id,
          'previousStatus', target_status(m.was), 'status', target_status(m.state),
          'previousPhase', f.was, 'phase', f.becomes) || CASE WHEN m.risk IS NULL THEN '{}' ELSE jsonb_build_object('risk', m.risk) END
        FROM m JOIN found f ON f.id = m.post_id
        WHERE target_status(m.state) <> target_status(m.was) OR m.risk <> coalesce(m.was_risk, '')
      UNION ALL
      SELECT m.workspace_id, 'post.' || CASE WHEN is_draft(m.phase) THEN 'cancelled' ELSE m.phase END,
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

-- The rows of one statement are left to be sealed in one.
CREATE OR REPLACE FUNCTION audit_append() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO outbox (workspace_id, type, audit_id) SELECT a.workspace_id, 'audit', a.id FROM appended a;
  RETURN NULL;
END $$;
DROP TRIGGER audit_append ON audit_events;
CREATE TRIGGER audit_append AFTER INSERT ON audit_events REFERENCING NEW TABLE AS appended
  FOR EACH STATEMENT EXECUTE FUNCTION audit_append();

-- What became of many targets at once: one statement moves them, so that what follows from a move is worked out together.
-- Answers which of them it has moved; the others' fences or states have moved on. By network, so that gates are locked in order.
DROP FUNCTION dispatch_outcome(uuid, bigint, text, text, jsonb);
CREATE FUNCTION dispatch_outcomes(outcomes jsonb) RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE o record; hits uuid[] := '{}'; stirred text := '';
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
    SELECT w.*, l.network, w.facts ->> 'trouble' = 'false' AND (l.troubles, l.opened, l.recent) = (0, 0, 0)
             AND (g.network IS NULL OR (g.troubles, g.opened, g.recent) = (0, 0, 0)) AS calm
    FROM written w JOIN lanes l ON l.account_id = w.account_id LEFT JOIN gates g ON g.network = l.network
    ORDER BY l.network, w.account_id
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
    -- What went well where all is well counts nothing, unless another outcome has just stirred the network.
    IF o.facts ->> 'trouble' IS NOT NULL AND (NOT o.calm OR o.network = stirred) THEN
      PERFORM breaker_count(o.account_id, (o.facts ->> 'trouble')::boolean);
      stirred := o.network;
    END IF;
    IF o.facts -> 'budgets' IS NOT NULL THEN
      PERFORM budget_told(o.account_id, o.facts -> 'budgets', o.goes_to = 'scheduled');
    END IF;
    IF (o.facts ->> 'everybody')::boolean THEN
      INSERT INTO gates AS g (network, hold_until, hold_reason) VALUES (o.network, o.retry_at, 'rate_limited')
        ON CONFLICT (network) DO UPDATE SET hold_until = greatest(g.hold_until, o.retry_at),
          hold_reason = coalesce(g.hold_reason, 'rate_limited');
    END IF;
  END LOOP;
  RETURN hits;
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

REVOKE EXECUTE ON FUNCTION post_phases(uuid[]), clock_shifted(), seal_next(bytea, bytea, bytea), seal_chain(bytea, bytea), dispatch_outcomes(jsonb), dispatch_prepared(uuid, bigint, uuid, text, text, timestamptz, jsonb), dispatch_ahead_done(uuid, bigint, float8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dispatch_outcomes(jsonb), dispatch_prepared(uuid, bigint, uuid, text, text, timestamptz, jsonb), dispatch_ahead_done(uuid, bigint, float8) TO mypost_dispatch;

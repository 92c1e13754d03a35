-- What was done ahead is stored under the fence it was begun with; and what a move costs does not grow with the table.

-- `post_phase` and the locks of a post ask for all of its targets, the locks of an account for all of its own: an index
-- without the removed ones answers neither, so every move read the whole table.
DROP INDEX targets_by_post, targets_by_account;
CREATE INDEX targets_by_post ON targets (post_id, position, id);
CREATE INDEX targets_by_account ON targets (account_id, post_id);

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

REVOKE EXECUTE ON FUNCTION clock_shifted(), seal_next(bytea, bytea, bytea), seal_chain(bytea, bytea), dispatch_outcomes(jsonb), dispatch_prepared(uuid, bigint, uuid, text, text, timestamptz, jsonb), dispatch_ahead_done(uuid, bigint, float8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dispatch_outcomes(jsonb), dispatch_prepared(uuid, bigint, uuid, text, text, timestamptz, jsonb), dispatch_ahead_done(uuid, bigint, float8) TO mypost_dispatch;

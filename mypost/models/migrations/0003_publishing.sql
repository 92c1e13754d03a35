-- Publishing: which transitions exist, what each demands, and who may write them.
-- States, proofs and lock order: docs/guarantee.md. Lock order everywhere: lanes, posts, targets, each by id.

CREATE TABLE transition_rules (
  from_state text NOT NULL,
  to_state text NOT NULL,
  by_app boolean NOT NULL DEFAULT false,
  needs_proof boolean NOT NULL DEFAULT false,
  PRIMARY KEY (from_state, to_state),
  UNIQUE (from_state, to_state, needs_proof)
);
INSERT INTO transition_rules (from_state, to_state, by_app, needs_proof) VALUES
  ('pending', 'scheduled', true, false),
  ('pending', 'cancelled', true, false),
  ('scheduled', 'pending', true, false),
  ('scheduled', 'cancelled', true, false),
  ('scheduled', 'claimed', false, false),
  ('scheduled', 'needs_confirmation', false, false),
  ('claimed', 'pending', true, false),
  ('claimed', 'cancelled', true, false),
  ('claimed', 'scheduled', true, false),
  ('claimed', 'sending', false, false),
  ('sending', 'published', false, true),
  ('sending', 'confirming', false, true),
  ('sending', 'scheduled', false, true),
  ('sending', 'failed', false, true),
  ('sending', 'unknown', false, false),
  ('confirming', 'published', false, true),
  ('confirming', 'failed', false, true),
  ('confirming', 'unknown', false, false),
  ('unknown', 'published', false, true),
  ('unknown', 'scheduled', false, true),
  ('unknown', 'needs_confirmation', false, false),
  ('needs_confirmation', 'published', false, false),
  ('needs_confirmation', 'scheduled', true, false),
  ('needs_confirmation', 'failed', true, false),
  ('failed', 'scheduled', true, false);

CREATE TABLE transitions (
  pos bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  workspace_id uuid NOT NULL,
  target_id uuid NOT NULL,
  from_state text NOT NULL,
  to_state text NOT NULL,
  needs_proof boolean NOT NULL,
  proof text CHECK (proof IN ('remote_id', 'handle', 'definite_rejection', 'idempotent_key', 'lookup_found', 'lookup_absent')),
  proof_read_at timestamptz,
  sent_at timestamptz,
  fence bigint NOT NULL,
  generation int NOT NULL,
  by_role text NOT NULL,
  at timestamptz NOT NULL DEFAULT mypost_now(),
  FOREIGN KEY (workspace_id, target_id) REFERENCES targets (workspace_id, id),
  FOREIGN KEY (from_state, to_state, needs_proof) REFERENCES transition_rules (from_state, to_state, needs_proof),
  CHECK (NOT needs_proof OR proof IS NOT NULL),
  CHECK (proof <> 'lookup_absent' OR proof_read_at > sent_at)
);
CREATE INDEX transitions_by_target ON transitions (target_id, pos);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON transitions FOR EACH ROW EXECUTE FUNCTION refuse();

ALTER TABLE targets
  ADD CONSTRAINT known_state CHECK (state IN ('pending', 'scheduled', 'claimed', 'sending', 'confirming',
    'published', 'failed', 'unknown', 'needs_confirmation', 'cancelled')),
  ADD CONSTRAINT lease_while_held CHECK ((lease_until IS NOT NULL) = (state IN ('claimed', 'sending'))),
  ADD CONSTRAINT lease_has_owner CHECK ((lease_until IS NULL) = (lease_owner IS NULL)),
  ADD CONSTRAINT sent_when_sent CHECK (sent_at IS NOT NULL OR state NOT IN ('sending', 'confirming', 'unknown')),
  ADD CONSTRAINT live_has_address CHECK ((external_id IS NOT NULL) = (state = 'published')),
  ADD CONSTRAINT failed_says_why CHECK (error IS NOT NULL OR state NOT IN ('failed', 'needs_confirmation')),
  ADD CONSTRAINT due_after_pending CHECK (due_at IS NOT NULL OR state IN ('pending', 'cancelled')),
  ADD CONSTRAINT removed_never_sent CHECK (NOT removed OR state = 'pending');
ALTER TABLE posts
  ADD CONSTRAINT known_stage CHECK (stage IN ('draft', 'scheduled', 'publishing')),
  ADD CONSTRAINT known_phase CHECK (phase IN ('draft', 'pending_approval', 'approved', 'rejected', 'scheduled', 'publishing',
    'published', 'partially_published', 'needs_confirmation', 'failed'));

CREATE UNIQUE INDEX one_target_per_account ON targets (post_id, account_id) WHERE NOT removed AND state <> 'cancelled';
CREATE UNIQUE INDEX one_in_flight_per_account ON targets (account_id) WHERE state IN ('claimed', 'sending');
CREATE UNIQUE INDEX one_target_per_live_post ON targets (account_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX targets_by_post ON targets (post_id, position, id) WHERE NOT removed;
CREATE INDEX targets_in_line ON targets (account_id, due_at, created_at, id) WHERE state = 'scheduled';
CREATE INDEX targets_overdue ON targets (due_at) WHERE state = 'scheduled';
CREATE INDEX targets_leased ON targets (lease_until) WHERE state IN ('claimed', 'sending');
CREATE INDEX targets_unknown ON targets (check_at) WHERE state = 'unknown';

-- One account's queue. Everything but the hold is derived by triggers.
CREATE TABLE lanes (
  account_id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL,
  next_due_at timestamptz,
  busy_target uuid,
  hold_until timestamptz,
  hold_reason text,
  fence bigint NOT NULL DEFAULT 0,
  FOREIGN KEY (workspace_id, account_id) REFERENCES accounts (workspace_id, id),
  CHECK ((hold_until IS NULL) = (hold_reason IS NULL))
);
CREATE INDEX lanes_due ON lanes (next_due_at) WHERE busy_target IS NULL AND next_due_at IS NOT NULL;

CREATE FUNCTION account_opens_lane() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO lanes (account_id, workspace_id) VALUES (NEW.id, NEW.workspace_id);
  RETURN NULL;
END $$;
CREATE TRIGGER opens_lane AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION account_opens_lane();

-- An account that works again releases its lane; one that does not is an event.
CREATE FUNCTION account_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  IF NEW.status = 'active' THEN
    UPDATE lanes SET hold_until = NULL, hold_reason = NULL WHERE account_id = NEW.id AND hold_reason = 'needs_reauth';
  END IF;
  INSERT INTO outbox (workspace_id, type, brand_id, payload) VALUES (NEW.workspace_id,
    'account.' || CASE NEW.status WHEN 'active' THEN 'connected' ELSE NEW.status END, NEW.brand_id,
    jsonb_build_object('accountId', NEW.id, 'brandId', NEW.brand_id, 'network', NEW.network,
                       'status', NEW.status, 'error', NEW.last_error));
  RETURN NULL;
END $$;
-- A token that was renewed in time is no news.
CREATE TRIGGER changed AFTER UPDATE OF status ON accounts FOR EACH ROW
  WHEN (OLD.status <> NEW.status AND NOT (OLD.status = 'expiring' AND NEW.status = 'active')) EXECUTE FUNCTION account_changed();
CREATE TRIGGER connected AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION account_changed();

-- What the API shows of a target's state; the twin stands in models/posts.py.
CREATE FUNCTION target_status(state text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE state WHEN 'claimed' THEN 'scheduled' WHEN 'sending' THEN 'publishing'
                    WHEN 'confirming' THEN 'publishing' ELSE state END
$$;

-- What became of a post, from what became of its targets.
CREATE FUNCTION post_phase(p posts) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN p.stage NOT IN ('scheduled', 'publishing') THEN p.stage ELSE (
    SELECT CASE
      WHEN count(*) = 0 THEN 'draft'
      WHEN bool_and(state IN ('scheduled', 'claimed') AND attempts = 0) THEN p.stage
      WHEN bool_or(state IN ('scheduled', 'claimed', 'sending', 'confirming', 'unknown')) THEN 'publishing'
      WHEN bool_or(state = 'needs_confirmation') THEN 'needs_confirmation'
      WHEN bool_and(state = 'published') THEN 'published'
      WHEN bool_or(state = 'published') THEN 'partially_published'
      ELSE 'failed' END
    FROM targets WHERE post_id = p.id AND state NOT IN ('pending', 'cancelled')) END
$$;

CREATE FUNCTION target_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'pending' THEN
      RAISE EXCEPTION 'a target begins as pending' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.fence < OLD.fence THEN
    RAISE EXCEPTION 'a fence never falls' USING ERRCODE = 'check_violation';
  END IF;
  IF (NEW.id, NEW.workspace_id, NEW.post_id, NEW.account_id) <> (OLD.id, OLD.workspace_id, OLD.post_id, OLD.account_id) THEN
    RAISE EXCEPTION 'a target keeps its post and account' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state <> OLD.state AND current_user = 'mypost_app' AND NOT EXISTS (
      SELECT 1 FROM transition_rules WHERE from_state = OLD.state AND to_state = NEW.state AND by_app) THEN
    RAISE EXCEPTION 'the application cannot move a target from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
  END IF;
  NEW.updated_at := mypost_now();
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON targets FOR EACH ROW EXECUTE FUNCTION target_guard();

-- One statement's moves: history, lanes, the posts' phases, events and audit, in the same transaction.
CREATE FUNCTION targets_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO transitions (workspace_id, target_id, from_state, to_state, needs_proof, proof, proof_read_at, sent_at, fence, generation, by_role)
    SELECT n.workspace_id, n.id, o.state, n.state,
           coalesce((SELECT r.needs_proof FROM transition_rules r WHERE r.from_state = o.state AND r.to_state = n.state), false),
           n.proof, n.proof_read_at, n.sent_at, n.fence, n.generation,
           coalesce(nullif(current_setting('role'), 'none'), session_user)
    FROM moved_to n JOIN moved_from o USING (id) WHERE n.state <> o.state;

  UPDATE lanes l SET
      next_due_at = (SELECT min(t.due_at) FROM targets t WHERE t.account_id = l.account_id AND t.state = 'scheduled'),
      busy_target = (SELECT t.id FROM targets t WHERE t.account_id = l.account_id AND t.state IN ('claimed', 'sending')),
      hold_until = CASE WHEN c.lost THEN greatest(l.hold_until, mypost_now() + interval '90 s')
                        WHEN l.hold_until <= mypost_now() OR c.settled AND l.hold_reason = 'unknown' THEN NULL
                        ELSE l.hold_until END,
      hold_reason = CASE WHEN c.lost AND (l.hold_until IS NULL OR l.hold_until <= mypost_now()) THEN 'unknown'
                         WHEN c.lost THEN l.hold_reason
                         WHEN l.hold_until <= mypost_now() OR c.settled AND l.hold_reason = 'unknown' THEN NULL
                         ELSE l.hold_reason END
    FROM (SELECT n.account_id, bool_or(n.state = 'unknown' AND o.state <> 'unknown') AS lost,
                 bool_or(o.state = 'unknown' AND n.state <> 'unknown') AS settled
          FROM moved_to n JOIN moved_from o USING (id)
          WHERE n.state <> o.state OR n.due_at IS DISTINCT FROM o.due_at GROUP BY n.account_id) c
    WHERE l.account_id = c.account_id;

  INSERT INTO outbox (workspace_id, type, brand_id, payload)
    SELECT n.workspace_id, 'target.' || target_status(n.state), p.brand_id, jsonb_build_object(
        'postId', n.post_id, 'targetId', n.id, 'accountId', n.account_id, 'brandId', p.brand_id,
        'previousStatus', target_status(o.state), 'status', target_status(n.state),
        'previousPhase', p.phase, 'phase', post_phase(p))
    FROM moved_to n JOIN moved_from o USING (id) JOIN posts p ON p.id = n.post_id
    WHERE target_status(n.state) <> target_status(o.state);

  WITH found AS (
    SELECT p.id, p.phase AS was, post_phase(p) AS becomes FROM posts p
    WHERE p.id IN (SELECT n.post_id FROM moved_to n JOIN moved_from o USING (id)
                   WHERE n.state <> o.state OR n.attempts <> o.attempts)
  ), moved AS (
    UPDATE posts p SET phase = f.becomes, updated_at = mypost_now(),
        published_at = CASE WHEN f.becomes IN ('published', 'partially_published')
                            THEN (SELECT max(t.published_at) FROM targets t WHERE t.post_id = p.id) END,
        scheduled_at = CASE WHEN f.becomes = 'draft' THEN NULL ELSE p.scheduled_at END,
        stage = CASE WHEN f.becomes = 'draft' THEN 'draft' ELSE p.stage END
      FROM found f WHERE p.id = f.id AND f.was <> f.becomes RETURNING p.*, f.was
  ), told AS (
    INSERT INTO outbox (workspace_id, type, brand_id, payload)
      SELECT m.workspace_id,
             'post.' || CASE m.phase WHEN 'draft' THEN 'cancelled' ELSE m.phase END,
             m.brand_id, jsonb_build_object('postId', m.id, 'brandId', m.brand_id, 'previousPhase', m.was,
               'phase', m.phase, 'scheduledAt', m.scheduled_at, 'publishedAt', m.published_at)
      FROM moved m
  )
  INSERT INTO audit_events (id, workspace_id, action, user_id, actor_type, resource_type, resource_id, metadata)
    SELECT mypost_id(13), m.workspace_id, 'post.' || m.phase, m.scheduled_by, 'system', 'post', m.id, '{}'
    FROM moved m WHERE m.phase IN ('published', 'partially_published', 'failed', 'needs_confirmation');
  RETURN NULL;
END $$;
CREATE TRIGGER moved AFTER UPDATE ON targets REFERENCING OLD TABLE AS moved_from NEW TABLE AS moved_to
  FOR EACH STATEMENT EXECUTE FUNCTION targets_moved();

-- For the application: takes the locks of one post in the common order. False when the post is out of scope
-- or when its accounts changed between the locks.
CREATE FUNCTION lock_post(post uuid, more_accounts uuid[]) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
  scope uuid[] := nullif(current_setting('mypost.ws', true), '')::uuid[];
  held uuid[];
BEGIN
  SELECT coalesce(array_agg(account_id), '{}') INTO held FROM (
    SELECT account_id FROM lanes WHERE workspace_id = ANY (scope) AND account_id IN (
      SELECT account_id FROM targets WHERE post_id = post UNION SELECT unnest(more_accounts))
    ORDER BY account_id FOR NO KEY UPDATE) l;
  PERFORM 1 FROM posts WHERE id = post AND workspace_id = ANY (scope) FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM 1 FROM targets WHERE post_id = post ORDER BY id FOR NO KEY UPDATE;
  RETURN NOT EXISTS (SELECT 1 FROM targets WHERE post_id = post AND account_id <> ALL (held));
END $$;

-- The same for one account: its lane, its waiting posts, its waiting targets.
CREATE FUNCTION lock_account(account uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE scope uuid[] := nullif(current_setting('mypost.ws', true), '')::uuid[];
BEGIN
  PERFORM 1 FROM lanes WHERE account_id = account AND workspace_id = ANY (scope) FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM 1 FROM posts WHERE id IN (SELECT post_id FROM targets WHERE account_id = account
    AND state IN ('pending', 'scheduled', 'claimed')) ORDER BY id FOR NO KEY UPDATE;
  PERFORM 1 FROM targets WHERE account_id = account AND state IN ('pending', 'scheduled', 'claimed') ORDER BY id FOR NO KEY UPDATE;
  RETURN true;
END $$;

-- The same for a whole brand: how many of its posts wait, and how many are out of our hands right now.
CREATE FUNCTION lock_brand(brand uuid, OUT waiting bigint, OUT in_flight bigint) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE scope uuid[] := nullif(current_setting('mypost.ws', true), '')::uuid[];
BEGIN
  PERFORM 1 FROM lanes WHERE account_id IN (SELECT id FROM accounts WHERE brand_id = brand)
    AND workspace_id = ANY (scope) ORDER BY account_id FOR NO KEY UPDATE;
  PERFORM 1 FROM posts WHERE brand_id = brand AND deleted_at IS NULL AND workspace_id = ANY (scope) ORDER BY id FOR NO KEY UPDATE;
  SELECT count(DISTINCT t.post_id) FILTER (WHERE t.state IN ('scheduled', 'claimed')),
         count(DISTINCT t.post_id) FILTER (WHERE t.state IN ('sending', 'confirming', 'unknown'))
    INTO waiting, in_flight
    FROM targets t JOIN posts p ON p.id = t.post_id
    WHERE p.brand_id = brand AND p.deleted_at IS NULL AND p.workspace_id = ANY (scope);
END $$;

-- For the dispatcher. 1: take idle due lanes, and the head of each.
CREATE FUNCTION dispatch_claim(worker uuid, most int) RETURNS TABLE (target_id uuid, target_fence bigint, network text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE taken uuid[];
BEGIN
  SELECT array_agg(l.account_id) INTO taken FROM (
    SELECT account_id FROM lanes
    WHERE busy_target IS NULL AND next_due_at <= mypost_now() AND (hold_until IS NULL OR hold_until <= mypost_now())
    ORDER BY next_due_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED) l;
  RETURN QUERY
    WITH heads AS (
      SELECT h.id FROM unnest(taken) a (id), LATERAL (
        SELECT t.id FROM targets t WHERE t.account_id = a.id AND t.state = 'scheduled' AND t.due_at <= mypost_now()
        ORDER BY t.due_at, t.created_at, t.id LIMIT 1) h)
    UPDATE targets t SET state = 'claimed', fence = t.fence + 1, lease_owner = worker,
        lease_until = mypost_now() + interval '5 s'
      FROM heads, accounts a
      WHERE t.id = heads.id AND t.state = 'scheduled' AND a.id = t.account_id
      RETURNING t.id, t.fence, a.network::text;
END $$;

CREATE FUNCTION dispatch_lock(ids uuid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM 1 FROM lanes WHERE account_id IN (SELECT account_id FROM targets WHERE id = ANY (ids)) ORDER BY account_id FOR NO KEY UPDATE;
  PERFORM 1 FROM posts WHERE id IN (SELECT post_id FROM targets WHERE id = ANY (ids)) ORDER BY id FOR NO KEY UPDATE;
END $$;

CREATE VIEW drafts AS
  SELECT t.id AS target_id, t.fence, t.workspace_id, t.account_id, a.network::text, a.external_id, a.status AS account_status,
         a.grant_cipher, a.token_expires_at, t.dispatch_key, coalesce(t.content, p.content) AS content, t.attempts, t.due_at, t.sent_at, t.absent_reads, t.lease_until
  FROM targets t JOIN posts p ON p.id = t.post_id JOIN accounts a ON a.id = t.account_id;

-- 2: write the intent. Committed before the first byte leaves; answers what to send.
CREATE FUNCTION dispatch_begin(worker uuid, ids uuid[], fences bigint[], leases float8[]) RETURNS SETOF drafts
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM dispatch_lock(ids);
  RETURN QUERY
    WITH begun AS (
      UPDATE targets t SET state = 'sending', sent_at = mypost_now(), attempts = t.attempts + 1, proof = NULL,
          proof_read_at = NULL, next_attempt_at = NULL, absent_reads = 0,
          lease_until = mypost_now() + make_interval(secs => w.lease)
        FROM unnest(ids, fences, leases) w (id, fence, lease)
        WHERE t.id = w.id AND t.fence = w.fence AND t.state = 'claimed' AND t.lease_owner = worker
          AND t.lease_until > mypost_now()
        RETURNING t.id, t.fence, t.sent_at, t.attempts, t.lease_until)
    SELECT d.target_id, d.fence, d.workspace_id, d.account_id, d.network, d.external_id, d.account_status, d.grant_cipher,
           d.token_expires_at, d.dispatch_key, d.content, b.attempts, d.due_at, b.sent_at, 0, b.lease_until
    FROM begun b JOIN drafts d ON d.target_id = b.id;
END $$;

-- 3: write what became of it. False when the fence or the state has moved on: the caller's knowledge is stale.
CREATE FUNCTION dispatch_outcome(target uuid, its_fence bigint, came_from text, goes_to text, facts jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE hit boolean;
BEGIN
  PERFORM dispatch_lock(ARRAY[target]);
  UPDATE targets t SET state = goes_to, lease_owner = NULL, lease_until = NULL,
      proof = facts ->> 'proof', proof_read_at = (facts ->> 'proofReadAt')::timestamptz,
      external_id = facts ->> 'externalId', external_url = facts ->> 'externalUrl',
      published_at = CASE WHEN goes_to = 'published' THEN mypost_now() END,
      error = nullif(facts -> 'error', 'null'),
      next_attempt_at = (facts ->> 'retryAt')::timestamptz,
      check_at = (facts ->> 'checkAt')::timestamptz
    WHERE t.id = target AND t.fence = its_fence AND t.state = came_from;
  hit := FOUND;
  IF hit AND facts ->> 'holdReason' IS NOT NULL THEN
    UPDATE lanes l SET hold_until = coalesce((facts ->> 'retryAt')::timestamptz, 'infinity'), hold_reason = facts ->> 'holdReason'
      FROM targets t WHERE t.id = target AND l.account_id = t.account_id;
  END IF;
  IF hit AND facts ->> 'accountStatus' IS NOT NULL THEN
    UPDATE accounts a SET status = facts ->> 'accountStatus', last_error = left(facts #>> '{error,message}', 500), updated_at = mypost_now()
      FROM targets t WHERE t.id = target AND a.id = t.account_id AND a.status IN ('active', 'expiring');
  END IF;
  RETURN hit;
END $$;

-- 4: what a crash left. A claim whose lease is over was never sent; a send whose lease is over is unknown.
-- A post overdue by more than a day asks a person instead of surprising an audience.
CREATE FUNCTION dispatch_sweep() RETURNS TABLE (released int, lost int, late int) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE ids uuid[];
BEGIN
  SELECT array_agg(id) INTO ids FROM (
    (SELECT id FROM targets WHERE state IN ('claimed', 'sending') AND lease_until <= mypost_now() LIMIT 500)
    UNION ALL
    (SELECT id FROM targets WHERE state = 'scheduled' AND due_at < mypost_now() - interval '24 h' LIMIT 500)) s;
  IF ids IS NULL THEN RETURN QUERY SELECT 0, 0, 0; RETURN; END IF;
  PERFORM dispatch_lock(ids);
  UPDATE targets SET state = 'scheduled', fence = fence + 1, lease_owner = NULL, lease_until = NULL
    WHERE id = ANY (ids) AND state = 'claimed' AND lease_until <= mypost_now();
  GET DIAGNOSTICS released = ROW_COUNT;
  UPDATE targets SET state = 'unknown', lease_owner = NULL, lease_until = NULL, check_at = mypost_now(),
      error = jsonb_build_object('category', 'unknown', 'source', 'platform', 'retryable', false,
        'message', 'The request was interrupted; MyPost is looking whether the post went out')
    WHERE id = ANY (ids) AND state = 'sending' AND lease_until <= mypost_now();
  GET DIAGNOSTICS lost = ROW_COUNT;
  UPDATE targets SET state = 'needs_confirmation',
      error = jsonb_build_object('category', 'unknown', 'source', 'system', 'retryable', true, 'networkCode', 'too_late',
        'message', 'The post is more than a day late; confirm that it should still go out')
    WHERE id = ANY (ids) AND state = 'scheduled' AND due_at < mypost_now() - interval '24 h';
  GET DIAGNOSTICS late = ROW_COUNT;
  RETURN NEXT;
END $$;

-- 5: what has to be looked up; each is handed to one looker for ten seconds.
CREATE FUNCTION dispatch_unknowns(most int) RETURNS SETOF drafts LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  RETURN QUERY
    WITH due AS (SELECT id FROM targets WHERE state = 'unknown' AND check_at <= mypost_now()
                 ORDER BY check_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED),
    taken AS (UPDATE targets t SET check_at = mypost_now() + interval '10 s', absent_reads = t.absent_reads
              FROM due WHERE t.id = due.id RETURNING t.id)
    SELECT d.* FROM drafts d JOIN taken ON taken.id = d.target_id;
END $$;

CREATE FUNCTION dispatch_absent(target uuid, its_fence bigint) RETURNS int LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  UPDATE targets SET absent_reads = absent_reads + 1, check_at = mypost_now() + interval '10 s'
  WHERE id = target AND fence = its_fence AND state = 'unknown'
  RETURNING absent_reads
$$;

-- Seconds until the next lane falls due, or null when none waits.
CREATE FUNCTION dispatch_wait() RETURNS float8 LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  SELECT extract(epoch FROM min(greatest(next_due_at, coalesce(hold_until, next_due_at))) - mypost_now())::float8
  FROM (SELECT next_due_at, hold_until FROM lanes
        WHERE busy_target IS NULL AND next_due_at IS NOT NULL AND (hold_until IS NULL OR isfinite(hold_until))
        ORDER BY next_due_at LIMIT 100) l
$$;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['lanes', 'transitions'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I TO mypost_app USING (workspace_id = ANY ((SELECT nullif(current_setting(''mypost.ws'', true), '''')::uuid[])::uuid[]))', t);
    EXECUTE format('CREATE POLICY definer ON %I TO mypost_owner USING (true) WITH CHECK (true)', t);
    EXECUTE format('GRANT SELECT ON %I TO mypost_app', t);
  END LOOP;
END $$;
GRANT SELECT ON transition_rules TO mypost_app;
-- The application plans; what the world answered is the dispatcher's to write.
REVOKE INSERT, UPDATE ON targets, posts FROM mypost_app;
GRANT INSERT (id, workspace_id, post_id, account_id, position, content, options, dispatch_key),
  UPDATE (position, content, options, state, removed, due_at, fence, generation, dispatch_key, attempts,
          lease_owner, lease_until, next_attempt_at, error, updated_at) ON targets TO mypost_app;
GRANT INSERT (id, workspace_id, brand_id, content, created_by),
  UPDATE (content, stage, scheduled_at, scheduled_by, version, updated_at, deleted_at) ON posts TO mypost_app;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_post(uuid, uuid[]), lock_account(uuid), lock_brand(uuid), target_status(text) TO mypost_app;
GRANT EXECUTE ON FUNCTION dispatch_claim(uuid, int), dispatch_begin(uuid, uuid[], bigint[], float8[]),
  dispatch_outcome(uuid, bigint, text, text, jsonb), dispatch_sweep(), dispatch_unknowns(int),
  dispatch_absent(uuid, bigint), dispatch_wait() TO mypost_dispatch;

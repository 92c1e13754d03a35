-- Never lost, never twice: proofs by the database's clock, dead dispatchers, breakers, budgets, forecasts,
-- preparation, people's decisions, and the quarantine after a restore. docs/guarantee.md tells why.

-- What may have gone out before a restore is looked up; what a person decides is on record.
INSERT INTO transition_rules (from_state, to_state, by_app, needs_proof) VALUES ('scheduled', 'unknown', false, true);
UPDATE transition_rules SET by_app = false, needs_proof = true
  WHERE from_state = 'needs_confirmation' AND to_state IN ('published', 'failed');

ALTER TABLE transitions
  ADD COLUMN settled_at timestamptz,
  ADD COLUMN by_user uuid,
  DROP CONSTRAINT transitions_proof_check,
  ADD CONSTRAINT known_proof CHECK (proof IN ('remote_id', 'handle', 'definite_rejection', 'idempotent_key',
    'lookup_found', 'lookup_absent', 'person', 'restored')),
  ADD CONSTRAINT absent_when_settled CHECK (proof <> 'lookup_absent'
    OR (settled_at IS NOT NULL AND settled_at > sent_at AND proof_read_at >= settled_at)),
  ADD CONSTRAINT person_is_named CHECK (proof <> 'person' OR by_user IS NOT NULL),
  ADD CONSTRAINT right_proof CHECK (NOT needs_proof OR CASE from_state || '>' || to_state
    WHEN 'sending>published' THEN proof = 'remote_id'
    WHEN 'sending>confirming' THEN proof = 'handle'
    WHEN 'sending>scheduled' THEN proof = 'definite_rejection'
    WHEN 'sending>failed' THEN proof = 'definite_rejection'
    WHEN 'confirming>published' THEN proof IN ('lookup_found', 'remote_id')
    WHEN 'confirming>failed' THEN proof = 'lookup_found'
    WHEN 'unknown>published' THEN proof IN ('lookup_found', 'remote_id')
    WHEN 'unknown>scheduled' THEN proof = 'lookup_absent'
    WHEN 'needs_confirmation>published' THEN proof IN ('person', 'remote_id')
    WHEN 'needs_confirmation>failed' THEN proof = 'person'
    WHEN 'scheduled>unknown' THEN proof = 'restored'
    ELSE false END) NOT VALID;

ALTER TABLE targets
  DROP CONSTRAINT live_has_address,
  ADD CONSTRAINT live_has_address CHECK (CASE WHEN state = 'published' THEN external_id IS NOT NULL OR resolved_by IS NOT NULL
                                              ELSE external_id IS NULL END),
  ADD CONSTRAINT handle_while_confirming CHECK (state <> 'confirming' OR handle IS NOT NULL) NOT VALID,
  ADD CONSTRAINT prepared_in_line CHECK (prepare_at IS NULL OR state = 'scheduled'),
  ADD CONSTRAINT risk_in_line CHECK (risk IS NULL OR state = 'scheduled'),
  ADD CONSTRAINT known_risk CHECK (risk IN ('token_ends', 'reconnect', 'budget'));
DROP INDEX targets_unknown;
CREATE INDEX targets_to_look_at ON targets (check_at) WHERE state IN ('unknown', 'confirming');
CREATE INDEX targets_to_prepare ON targets (prepare_at) WHERE prepare_at IS NOT NULL;

-- An account's breaker and budget stand in its lane; its fence rises with each claim and each new grant.
ALTER TABLE lanes
  ADD COLUMN network text,
  ADD COLUMN troubles int NOT NULL DEFAULT 0,
  ADD COLUMN recent int NOT NULL DEFAULT 0,
  ADD COLUMN opened int NOT NULL DEFAULT 0,
  ADD COLUMN budget_limit int,
  ADD COLUMN budget_left int,
  ADD COLUMN budget_resets_at timestamptz,
  ADD COLUMN budget_window interval;
UPDATE lanes l SET network = a.network FROM accounts a WHERE a.id = l.account_id;
ALTER TABLE lanes ALTER COLUMN network SET NOT NULL;

-- The same for a whole network: everybody who posts through this installation. Locked after all else.
CREATE TABLE gates (
  network text PRIMARY KEY,
  troubles int NOT NULL DEFAULT 0,
  recent int NOT NULL DEFAULT 0,
  opened int NOT NULL DEFAULT 0,
  last_account uuid,
  hold_until timestamptz,
  hold_reason text,
  budget_limit int,
  budget_left int,
  budget_resets_at timestamptz,
  CHECK ((hold_until IS NULL) = (hold_reason IS NULL))
);

-- Which database this is, as the last dispatcher that arrived has seen it.
CREATE TABLE installation (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  system text,
  timeline int,
  database oid,
  started_at timestamptz,
  epoch uuid NOT NULL DEFAULT gen_random_uuid(),
  past uuid[] NOT NULL DEFAULT '{}',
  quarantined_at timestamptz,
  quarantine_reason text,
  CHECK ((quarantined_at IS NULL) = (quarantine_reason IS NULL))
);
INSERT INTO installation DEFAULT VALUES;

CREATE OR REPLACE FUNCTION account_opens_lane() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO lanes (account_id, workspace_id, network) VALUES (NEW.id, NEW.workspace_id, NEW.network);
  RETURN NULL;
END $$;

-- What of an account's plan will not work: the token ends before, somebody must connect it, or its budget is spent by then.
CREATE FUNCTION forecast(account uuid) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  WITH planned AS (
    SELECT t.id, t.state, coalesce(t.published_at, t.due_at) AS at, a.status, a.grant_ends_at, l.budget_limit, l.budget_window
    FROM targets t JOIN accounts a ON a.id = t.account_id JOIN lanes l ON l.account_id = t.account_id
    WHERE t.account_id = forecast.account AND (t.state = 'scheduled'
      OR l.budget_limit IS NOT NULL AND t.state = 'published' AND t.published_at > mypost_now() - l.budget_window)
  ), foreseen AS (
    SELECT id, state, CASE
        WHEN status IN ('needs_reauth', 'disconnected') THEN 'reconnect'
        WHEN at >= grant_ends_at THEN 'token_ends'
        WHEN lag(at, greatest(1, budget_limit - budget_limit / 10)) OVER (ORDER BY at, id) > at - budget_window THEN 'budget'
      END AS risk
    FROM planned
  )
  UPDATE targets t SET risk = f.risk FROM foreseen f
    WHERE t.id = f.id AND f.state = 'scheduled' AND t.state = 'scheduled' AND t.risk IS DISTINCT FROM f.risk
$$;

-- A new grant, or none: what an older answer says of the account no longer counts, and the plan is judged anew.
-- Whoever changes an account's grant or status holds its lane.
CREATE FUNCTION account_granted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE lanes SET fence = fence + 1 WHERE account_id = NEW.id;
  UPDATE targets t SET prepare_at = t.due_at - interval '10 min'
    WHERE t.account_id = NEW.id AND t.state = 'scheduled' AND t.prepare_at IS NULL
      AND NEW.token_expires_at < t.due_at + interval '2 min';
  PERFORM forecast(NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER granted AFTER UPDATE OF grant_version, status, grant_ends_at ON accounts FOR EACH ROW
  WHEN (OLD.grant_version <> NEW.grant_version OR OLD.status <> NEW.status OR OLD.grant_ends_at IS DISTINCT FROM NEW.grant_ends_at)
  EXECUTE FUNCTION account_granted();

CREATE OR REPLACE FUNCTION target_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
  IF NEW.generation < OLD.generation OR (NEW.generation <> OLD.generation) <> (NEW.dispatch_key <> OLD.dispatch_key) THEN
    RAISE EXCEPTION 'a generation never falls and has one key' USING ERRCODE = 'check_violation';
  END IF;
  IF (NEW.id, NEW.workspace_id, NEW.post_id, NEW.account_id) <> (OLD.id, OLD.workspace_id, OLD.post_id, OLD.account_id) THEN
    RAISE EXCEPTION 'a target keeps its post and account' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state <> OLD.state AND current_user = 'mypost_app' AND NOT EXISTS (
      SELECT 1 FROM transition_rules WHERE from_state = OLD.state AND to_state = NEW.state AND by_app) THEN
    RAISE EXCEPTION 'the application cannot move a target from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.state = 'unknown' AND NEW.state = 'scheduled' AND NEW.proof = 'lookup_absent' AND OLD.absent_reads < 2 THEN
    RAISE EXCEPTION 'one reading proves no absence' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.generation <> OLD.generation THEN
    NEW.handle := NULL;
    NEW.handle_ends_at := NULL;
  END IF;
  -- What has to be done before the due second, and when to begin with it.
  IF NEW.state <> 'scheduled' THEN
    NEW.prepare_at := NULL;
    NEW.risk := NULL;
  ELSIF OLD.state <> 'scheduled' OR NEW.due_at <> OLD.due_at OR (OLD.handle IS NOT NULL AND NEW.handle IS NULL) THEN
    SELECT NEW.due_at - interval '10 min' INTO NEW.prepare_at FROM accounts a
      WHERE a.id = NEW.account_id AND (a.token_expires_at < NEW.due_at + interval '2 min'
        OR a.two_step AND (NEW.handle IS NULL OR NEW.handle_ends_at < NEW.due_at + interval '1 min'));
  END IF;
  NEW.updated_at := mypost_now();
  RETURN NEW;
END $$;

-- Other words are another dispatch: what was made of the old ones is not used any more.
CREATE FUNCTION post_rewritten() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE targets SET handle = NULL, handle_ends_at = NULL,
      generation = generation + CASE WHEN sent_at IS NULL THEN 0 ELSE 1 END,
      dispatch_key = CASE WHEN sent_at IS NULL THEN dispatch_key ELSE gen_random_uuid() END
    WHERE post_id = NEW.id AND content IS NULL AND state IN ('pending', 'scheduled', 'claimed')
      AND (handle IS NOT NULL OR sent_at IS NOT NULL);
  RETURN NULL;
END $$;
CREATE TRIGGER rewritten AFTER UPDATE OF content ON posts FOR EACH ROW
  WHEN (OLD.content <> NEW.content) EXECUTE FUNCTION post_rewritten();

-- A dispatcher holds its own lock for as long as it lives, so that its leases end with it.
CREATE FUNCTION dispatcher_key(worker uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT hashtextextended('dispatcher ' || worker, 0)
$$;

-- Before it claims: is this the database that was left? Another server, timeline or copy has lost what was done since.
CREATE FUNCTION dispatch_arrive() RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
  i installation;
  here text := (SELECT system_identifier::text FROM pg_control_system());
  line int := (SELECT timeline_id FROM pg_control_checkpoint());
  base oid := (SELECT oid FROM pg_database WHERE datname = current_database());
BEGIN
  SELECT * INTO i FROM installation FOR UPDATE;
  IF i.system IS NULL THEN
    UPDATE installation SET system = here, timeline = line, database = base;
  ELSIF i.quarantined_at IS NULL AND (i.system, i.timeline, i.database) <> (here, line, base) THEN
    UPDATE installation SET quarantined_at = mypost_now(), quarantine_reason = CASE
      WHEN i.system <> here OR i.database <> base THEN 'this database was restored from a dump or copied'
      ELSE 'this database went on from a backup, or a standby took over' END;
  END IF;
  UPDATE installation SET started_at = pg_postmaster_start_time();
  RETURN (SELECT quarantine_reason FROM installation);
END $$;

-- The last thing we know to have happened, to be remembered outside; and whether it is still here.
CREATE FUNCTION dispatch_mark(OUT place text, OUT epoch uuid, OUT pos bigint, OUT target uuid) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  SELECT i.system || '.' || i.database, i.epoch, t.pos, t.target_id
  FROM installation i LEFT JOIN LATERAL (SELECT pos, target_id FROM transitions ORDER BY pos DESC LIMIT 1) t ON true
  WHERE i.system IS NOT NULL
$$;
-- What was seen before a quarantine that somebody has ended is over and done with.
CREATE FUNCTION dispatch_remember(seen_epoch uuid, seen_pos bigint, seen_target uuid) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM installation WHERE seen_epoch = ANY (past))
     AND NOT EXISTS (SELECT 1 FROM transitions t JOIN installation i ON i.epoch = seen_epoch WHERE t.pos = seen_pos AND t.target_id = seen_target) THEN
    UPDATE installation SET quarantined_at = mypost_now(), quarantine_reason = 'this database has forgotten what was done in it'
      WHERE quarantined_at IS NULL;
  END IF;
  RETURN (SELECT quarantine_reason FROM installation);
END $$;

-- For `mypost recover`: whatever was due may have gone out, so it is looked up; then the rest may go on.
CREATE FUNCTION dispatch_recover() RETURNS int LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE ids uuid[]; moved int;
BEGIN
  PERFORM 1 FROM installation WHERE quarantined_at IS NOT NULL FOR UPDATE;
  IF NOT FOUND THEN RETURN NULL; END IF;
  SELECT array_agg(id) INTO ids FROM targets WHERE state IN ('scheduled', 'claimed') AND due_at <= mypost_now();
  PERFORM dispatch_lock(ids);
  UPDATE targets SET state = 'scheduled', fence = fence + 1, lease_owner = NULL, lease_until = NULL
    WHERE id = ANY (ids) AND state = 'claimed';
  UPDATE targets SET state = 'unknown', fence = fence + 1, proof = 'restored', sent_at = mypost_now(),
      check_at = mypost_now(), absent_reads = 0, absent_at = NULL, settled_at = NULL,
      error = jsonb_build_object('category', 'unknown', 'source', 'system', 'retryable', false,
        'message', 'The database was restored; MyPost is looking whether the post has gone out before')
    WHERE id = ANY (ids) AND state = 'scheduled' AND due_at <= mypost_now();
  GET DIAGNOSTICS moved = ROW_COUNT;
  UPDATE installation SET quarantined_at = NULL, quarantine_reason = NULL, started_at = pg_postmaster_start_time(),
    past = past || epoch, epoch = gen_random_uuid(),
    system = (SELECT system_identifier::text FROM pg_control_system()),
    timeline = (SELECT timeline_id FROM pg_control_checkpoint()),
    database = (SELECT oid FROM pg_database WHERE datname = current_database());
  RETURN moved;
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

-- A target's own words and options: sent instead of the post's, or beside them. What is sent is computed in the view
-- `drafts` and nowhere else; the lookup, the first step and the send all read it there.
CREATE OR REPLACE VIEW drafts AS
  SELECT t.id AS target_id, t.fence, t.workspace_id, t.account_id, a.network::text, a.external_id, a.status AS account_status,
         a.grant_cipher, a.token_expires_at, t.dispatch_key, coalesce(t.content, p.content) AS content, t.attempts, t.due_at, t.sent_at, t.absent_reads, t.lease_until,
         t.state, t.looked_at, t.handle, t.handle_ends_at, l.fence AS lane_fence, '{}'::text[] AS others, t.options
  FROM targets t JOIN posts p ON p.id = t.post_id JOIN accounts a ON a.id = t.account_id JOIN lanes l ON l.account_id = t.account_id;

CREATE OR REPLACE FUNCTION dispatch_begin(worker uuid, ids uuid[], fences bigint[], leases float8[]) RETURNS SETOF drafts
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM dispatch_lock(ids);
  RETURN QUERY
    WITH begun AS (
      UPDATE targets t SET state = 'sending', sent_at = mypost_now(),
          attempts = t.attempts + 1, proof = NULL, proof_read_at = NULL, next_attempt_at = NULL,
          looked_at = NULL, absent_reads = 0, absent_at = NULL, settled_at = NULL,
          lease_until = mypost_now() + make_interval(secs => w.lease)
        FROM unnest(ids, fences, leases) w (id, fence, lease)
        WHERE t.id = w.id AND t.fence = w.fence AND t.state = 'claimed' AND t.lease_owner = worker
          AND t.lease_until > mypost_now()
        RETURNING t.id, t.fence, t.sent_at, t.attempts, t.lease_until, t.state)
    SELECT d.target_id, d.fence, d.workspace_id, d.account_id, d.network, d.external_id, d.account_status, d.grant_cipher,
           d.token_expires_at, d.dispatch_key, d.content, b.attempts, d.due_at, b.sent_at, 0, b.lease_until,
           b.state, d.looked_at, d.handle, d.handle_ends_at, d.lane_fence, d.others, d.options
    FROM begun b JOIN drafts d ON d.target_id = b.id;
END $$;

-- How long a breaker stays open: 30 s, doubling to 10 min.
CREATE FUNCTION breaker_pause(opened int) RETURNS interval LANGUAGE sql IMMUTABLE AS $$
  SELECT make_interval(secs => least(600, 30 * 2 ^ least(opened - 1, 5)))
$$;

-- Counts one answer, trouble or not, for an account's breaker and its network's. Five in a row or ten of twenty open it;
-- a network's counts only what another account met than the last, so that one bad account shuts nobody out.
CREATE FUNCTION breaker_count(account uuid, trouble boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE its text;
BEGIN
  IF NOT trouble THEN
    UPDATE lanes SET troubles = 0, opened = 0, recent = (recent << 1) & 1048575
      WHERE account_id = account AND (troubles, opened, recent) <> (0, 0, 0);
    UPDATE gates g SET troubles = 0, opened = 0, recent = (g.recent << 1) & 1048575, last_account = NULL,
        hold_until = CASE WHEN g.hold_reason = 'breaker' THEN NULL ELSE g.hold_until END,
        hold_reason = CASE WHEN g.hold_reason = 'breaker' THEN NULL ELSE g.hold_reason END
      FROM lanes l WHERE l.account_id = account AND g.network = l.network AND (g.troubles, g.opened, g.recent) <> (0, 0, 0);
    RETURN;
  END IF;
  UPDATE lanes SET troubles = troubles + 1, recent = ((recent << 1) | 1) & 1048575 WHERE account_id = account RETURNING network INTO its;
  UPDATE lanes SET opened = opened + 1, recent = 0,
      hold_until = CASE WHEN hold_reason = 'unknown' OR hold_until IS NULL THEN mypost_now() + breaker_pause(opened + 1)
                        ELSE greatest(hold_until, mypost_now() + breaker_pause(opened + 1)) END,
      hold_reason = CASE WHEN hold_reason = 'unknown' OR hold_until IS NULL OR hold_until < mypost_now() + breaker_pause(opened + 1)
                         THEN 'breaker' ELSE hold_reason END
    WHERE account_id = account AND (troubles >= 5 OR opened > 0 OR bit_count(recent::bit(20)) >= 10);
  INSERT INTO gates (network) VALUES (its) ON CONFLICT DO NOTHING;
  UPDATE gates SET troubles = troubles + 1, recent = ((recent << 1) | 1) & 1048575, last_account = account
    WHERE network = its AND (last_account IS DISTINCT FROM account OR opened > 0);
  UPDATE gates SET opened = opened + 1, recent = 0, hold_until = greatest(hold_until, mypost_now() + breaker_pause(opened + 1)),
      hold_reason = 'breaker'
    WHERE network = its AND last_account = account AND (troubles >= 5 OR opened > 0 OR bit_count(recent::bit(20)) >= 10);
END $$;

-- Keeps what a network told of its quotas. A tenth of an account's is kept for repeats: who has nothing to repeat waits.
CREATE FUNCTION budget_told(account uuid, told jsonb, repeats boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE b jsonb; resets timestamptz; most int; rest int; was int;
BEGIN
  FOR b IN SELECT * FROM jsonb_array_elements(told) LOOP
    most := (b ->> 'limit')::int;
    rest := (b ->> 'remaining')::int;
    resets := mypost_now() + make_interval(secs => (b ->> 'reset')::float8);
    IF b ->> 'scope' = 'app' THEN
      INSERT INTO gates AS g (network, budget_limit, budget_left, budget_resets_at)
        SELECT network, most, rest, resets FROM lanes WHERE account_id = account
        ON CONFLICT (network) DO UPDATE SET budget_limit = most, budget_left = rest, budget_resets_at = resets;
      CONTINUE;
    END IF;
    SELECT budget_limit INTO was FROM lanes WHERE account_id = account;
    UPDATE lanes SET budget_limit = most, budget_left = rest, budget_resets_at = resets,
        budget_window = greatest(budget_window, resets - mypost_now()),
        hold_until = CASE WHEN rest <= CASE WHEN repeats THEN 0 ELSE most / 10 END THEN greatest(hold_until, resets) ELSE hold_until END,
        hold_reason = CASE WHEN rest <= CASE WHEN repeats THEN 0 ELSE most / 10 END AND (hold_until IS NULL OR hold_until < resets)
                           THEN 'budget' ELSE hold_reason END
      WHERE account_id = account;
    IF was IS DISTINCT FROM most THEN PERFORM forecast(account); END IF;
  END LOOP;
END $$;

-- 3: write what became of it, and what the answer says of account and network. Times count from the database's clock.
CREATE OR REPLACE FUNCTION dispatch_outcome(target uuid, its_fence bigint, came_from text, goes_to text, facts jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  its uuid;
  retry_at timestamptz := mypost_now() + make_interval(secs => (facts ->> 'retryIn')::float8);
BEGIN
  PERFORM dispatch_lock(ARRAY[target]);
  UPDATE targets t SET state = goes_to, lease_owner = NULL, lease_until = NULL,
      proof = facts ->> 'proof', proof_read_at = CASE WHEN facts ->> 'proof' IN ('lookup_found', 'lookup_absent') THEN t.looked_at END,
      external_id = facts ->> 'externalId', external_url = facts ->> 'externalUrl',
      published_at = CASE WHEN goes_to = 'published' THEN mypost_now() END,
      error = nullif(facts -> 'error', 'null'),
      next_attempt_at = retry_at,
      check_at = mypost_now() + make_interval(secs => (facts ->> 'checkIn')::float8),
      handle = CASE WHEN facts ->> 'handle' = '' THEN NULL ELSE coalesce(facts ->> 'handle', t.handle) END
    WHERE t.id = target AND t.fence = its_fence AND t.state = came_from RETURNING t.account_id INTO its;
  IF NOT FOUND THEN RETURN false; END IF;
  -- An account that was connected anew meanwhile is not held for what its old grant met.
  IF facts ->> 'holdReason' IS NOT NULL THEN
    UPDATE lanes l SET hold_until = coalesce(retry_at, 'infinity'), hold_reason = facts ->> 'holdReason'
      WHERE l.account_id = its AND (facts ->> 'holdReason' <> 'needs_reauth' OR l.fence = (facts ->> 'laneFence')::bigint);
  END IF;
  IF facts ->> 'accountStatus' IS NOT NULL THEN
    UPDATE accounts a SET status = facts ->> 'accountStatus', last_error = left(facts #>> '{error,message}', 500), updated_at = mypost_now()
      FROM lanes l WHERE a.id = its AND a.status IN ('active', 'expiring')
        AND l.account_id = its AND l.fence = (facts ->> 'laneFence')::bigint;
  END IF;
  IF facts ->> 'trouble' IS NOT NULL THEN
    PERFORM breaker_count(its, (facts ->> 'trouble')::boolean);
  END IF;
  PERFORM budget_told(its, facts -> 'budgets', goes_to = 'scheduled');
  IF (facts ->> 'everybody')::boolean THEN
    INSERT INTO gates AS g (network, hold_until, hold_reason) SELECT network, retry_at, 'rate_limited' FROM lanes WHERE account_id = its
      ON CONFLICT (network) DO UPDATE SET hold_until = greatest(g.hold_until, retry_at), hold_reason = coalesce(g.hold_reason, 'rate_limited');
  END IF;
  RETURN true;
END $$;

-- 4: what a crash left. A lease ends with its time, or with the dispatcher whose lock is free: what was claimed was never
-- sent, what was being sent is unknown. Overdue by more than a day asks a person, except where a lookup comes first.
CREATE OR REPLACE FUNCTION dispatch_sweep() RETURNS TABLE (released int, lost int, late int) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE ids uuid[]; dead uuid[];
BEGIN
  SELECT coalesce(array_agg(o), '{}') INTO dead
    FROM (SELECT DISTINCT lease_owner AS o FROM targets WHERE state IN ('claimed', 'sending') OFFSET 0) s
    WHERE pg_try_advisory_xact_lock(dispatcher_key(o));
  SELECT array_agg(id) INTO ids FROM (
    (SELECT id FROM targets WHERE state IN ('claimed', 'sending') AND (lease_until <= mypost_now() OR lease_owner = ANY (dead)) LIMIT 500)
    UNION ALL
    (SELECT id FROM targets WHERE state = 'scheduled' AND due_at < mypost_now() - interval '24 h'
       AND NOT EXISTS (SELECT 1 FROM installation WHERE quarantined_at IS NOT NULL) LIMIT 500)) s;
  IF ids IS NULL THEN RETURN QUERY SELECT 0, 0, 0; RETURN; END IF;
  PERFORM dispatch_lock(ids);
  UPDATE targets SET state = 'scheduled', fence = fence + 1, lease_owner = NULL, lease_until = NULL
    WHERE id = ANY (ids) AND state = 'claimed' AND (lease_until <= mypost_now() OR lease_owner = ANY (dead));
  GET DIAGNOSTICS released = ROW_COUNT;
  UPDATE targets SET state = 'unknown', lease_owner = NULL, lease_until = NULL, check_at = mypost_now(),
      error = jsonb_build_object('category', 'unknown', 'source', 'platform', 'retryable', false,
        'message', 'The request was interrupted; MyPost is looking whether the post went out')
    WHERE id = ANY (ids) AND state = 'sending' AND (lease_until <= mypost_now() OR lease_owner = ANY (dead));
  GET DIAGNOSTICS lost = ROW_COUNT;
  UPDATE targets SET state = 'needs_confirmation',
      error = jsonb_build_object('category', 'unknown', 'source', 'system', 'retryable', true, 'networkCode', 'too_late',
        'message', 'The post is more than a day late; confirm that it should still go out')
    WHERE id = ANY (ids) AND state = 'scheduled' AND due_at < mypost_now() - interval '24 h';
  GET DIAGNOSTICS late = ROW_COUNT;
  RETURN NEXT;
END $$;

-- 5: what has to be looked at; each is handed to one looker for ten seconds, with the account's posts that are known to be others.
DROP FUNCTION dispatch_unknowns(int);
CREATE FUNCTION dispatch_looks(most int) RETURNS SETOF drafts LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  RETURN QUERY
    WITH due AS (SELECT id FROM targets WHERE state IN ('unknown', 'confirming') AND check_at <= mypost_now()
                 ORDER BY check_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED),
    taken AS (UPDATE targets t SET check_at = mypost_now() + interval '10 s', looked_at = mypost_now()
              FROM due WHERE t.id = due.id RETURNING t.id, t.looked_at)
    SELECT d.target_id, d.fence, d.workspace_id, d.account_id, d.network, d.external_id, d.account_status, d.grant_cipher,
           d.token_expires_at, d.dispatch_key, d.content, d.attempts, d.due_at, d.sent_at, d.absent_reads, d.lease_until,
           d.state, taken.looked_at, d.handle, d.handle_ends_at, d.lane_fence,
           ARRAY(SELECT o.external_id::text FROM targets o WHERE o.account_id = d.account_id AND o.external_id IS NOT NULL
                 AND o.published_at > d.due_at - interval '1 h'), d.options
    FROM drafts d JOIN taken ON taken.id = d.target_id;
END $$;
CREATE INDEX targets_live ON targets (account_id, published_at) WHERE external_id IS NOT NULL;

-- A reading that found nothing counts when it began after the settle time, and long enough after the one before.
DROP FUNCTION dispatch_absent(uuid, bigint);
CREATE FUNCTION dispatch_absent(target uuid, its_fence bigint, settle float8, apart float8) RETURNS int LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  UPDATE targets SET settled_at = sent_at + make_interval(secs => settle),
      absent_reads = absent_reads + counts.now, absent_at = CASE counts.now WHEN 1 THEN looked_at ELSE absent_at END,
      check_at = greatest(sent_at + make_interval(secs => settle),
                          CASE counts.now WHEN 1 THEN looked_at ELSE coalesce(absent_at, looked_at) END + make_interval(secs => apart))
  FROM (SELECT (looked_at >= sent_at + make_interval(secs => settle)
                AND (absent_at IS NULL OR looked_at >= absent_at + make_interval(secs => apart)))::int AS now FROM targets WHERE id = target) counts
  WHERE id = target AND fence = its_fence AND state = 'unknown'
  RETURNING absent_reads
$$;

CREATE FUNCTION dispatch_look_again(target uuid, its_fence bigint, seconds float8) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  UPDATE targets SET check_at = mypost_now() + make_interval(secs => seconds)
  WHERE id = target AND fence = its_fence AND state IN ('unknown', 'confirming')
$$;

-- A renewal that was refused before the due second: there is time to connect the account again.
CREATE FUNCTION dispatch_reconnect(account uuid, its_lane_fence bigint, message text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE lanes SET hold_until = 'infinity', hold_reason = 'needs_reauth' WHERE account_id = account AND fence = its_lane_fence;
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE accounts SET status = 'needs_reauth', last_error = left(message, 500), updated_at = mypost_now()
    WHERE id = account AND status IN ('active', 'expiring');
  RETURN true;
END $$;

-- 6: what can be done before the due second; each is handed to one worker for half a minute.
CREATE FUNCTION dispatch_ahead(most int) RETURNS SETOF drafts LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  RETURN QUERY
    WITH due AS (SELECT id FROM targets WHERE prepare_at <= mypost_now() ORDER BY prepare_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED),
    taken AS (UPDATE targets t SET prepare_at = mypost_now() + interval '30 s' FROM due WHERE t.id = due.id RETURNING t.id)
    SELECT d.* FROM drafts d JOIN taken ON taken.id = d.target_id;
END $$;

-- Stores a handle for exactly the words it was made of; false when the post says something else by now.
CREATE FUNCTION dispatch_prepared(target uuid, key uuid, words text, new_handle text, ends timestamptz, budgets jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM dispatch_lock(ARRAY[target]);
  PERFORM budget_told(t.account_id, budgets, true) FROM targets t WHERE t.id = target;
  UPDATE targets t SET handle = new_handle, handle_ends_at = ends, prepare_at = NULL
    FROM posts p WHERE t.id = target AND p.id = t.post_id AND t.dispatch_key = key AND coalesce(t.content, p.content) = words
      AND t.state IN ('scheduled', 'claimed', 'sending')
      -- A preparation that comes late does not replace the handle that is being published.
      AND (t.handle IS NULL OR t.state = 'scheduled' OR t.handle_ends_at <= mypost_now() + interval '30 s');
  RETURN FOUND;
END $$;

-- Ends a preparation: for good, or until so many seconds have passed.
CREATE FUNCTION dispatch_ahead_done(target uuid, seconds float8) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  UPDATE targets SET prepare_at = mypost_now() + make_interval(secs => seconds) WHERE id = target AND state = 'scheduled'
$$;

CREATE OR REPLACE FUNCTION dispatch_wait() RETURNS float8 LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  SELECT extract(epoch FROM min(greatest(l.next_due_at, l.hold_until, g.hold_until,
      CASE WHEN g.budget_left <= g.budget_limit / 10 THEN g.budget_resets_at END)) - mypost_now())::float8
  FROM (SELECT next_due_at, hold_until, network FROM lanes
        WHERE busy_target IS NULL AND next_due_at IS NOT NULL AND (hold_until IS NULL OR isfinite(hold_until))
        ORDER BY next_due_at LIMIT 100) l LEFT JOIN gates g ON g.network = l.network
  WHERE EXISTS (SELECT 1 FROM installation WHERE quarantined_at IS NULL)
$$;

DROP FUNCTION dispatch_grant(uuid);
CREATE FUNCTION dispatch_grant(account uuid)
RETURNS TABLE (grant_cipher bytea, grant_version int, token_expires_at timestamptz, status text, lane_fence bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT a.grant_cipher, a.grant_version, a.token_expires_at, a.status::text, l.fence
  FROM accounts a JOIN lanes l ON l.account_id = a.id WHERE a.id = account
$$;

DROP FUNCTION dispatch_store_grant(uuid, int, bytea, timestamptz);
CREATE FUNCTION dispatch_store_grant(account uuid, old_version int, cipher bytea, expires timestamptz, ends timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM 1 FROM lanes WHERE account_id = account FOR NO KEY UPDATE;
  UPDATE accounts a SET grant_cipher = cipher, grant_version = a.grant_version + 1, token_expires_at = expires, grant_ends_at = ends,
      status = CASE a.status WHEN 'expiring' THEN 'active' ELSE a.status END, updated_at = mypost_now()
    WHERE a.id = account AND a.grant_version = old_version AND a.status <> 'disconnected';
  RETURN FOUND;
END $$;

-- Accounts whose grant nobody can renew: a week before it ends they are expiring, at its end they need a person.
CREATE FUNCTION dispatch_expire() RETURNS int LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE ids uuid[];
BEGIN
  SELECT array_agg(account_id) INTO ids FROM (
    SELECT l.account_id FROM lanes l JOIN accounts a ON a.id = l.account_id
    WHERE a.grant_ends_at < mypost_now() + interval '7 days' AND (a.status = 'active'
       OR a.status = 'expiring' AND a.grant_ends_at <= mypost_now())
    ORDER BY l.account_id LIMIT 500 FOR NO KEY UPDATE OF l SKIP LOCKED) s;
  UPDATE accounts SET status = CASE WHEN grant_ends_at <= mypost_now() THEN 'needs_reauth' ELSE 'expiring' END,
      last_error = CASE WHEN grant_ends_at <= mypost_now() THEN 'The token has ended: connect the account again' ELSE last_error END,
      updated_at = mypost_now()
    WHERE id = ANY (ids);
  UPDATE lanes l SET hold_until = 'infinity', hold_reason = 'needs_reauth' FROM accounts a
    WHERE l.account_id = ANY (ids) AND a.id = l.account_id AND a.status = 'needs_reauth';
  RETURN coalesce(cardinality(ids), 0);
END $$;
CREATE INDEX accounts_ending ON accounts (grant_ends_at) WHERE grant_ends_at IS NOT NULL AND status IN ('active', 'expiring');

-- For the application: a person's word on a target nobody could find out about. The caller holds the locks.
CREATE FUNCTION resolve_target(target uuid, live boolean, url text, who uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE scope uuid[] := nullif(current_setting('mypost.ws', true), '')::uuid[];
BEGIN
  UPDATE targets SET state = CASE WHEN live THEN 'published' ELSE 'failed' END, proof = 'person', proof_read_at = mypost_now(),
      fence = fence + 1, resolved_by = who, external_url = url, next_attempt_at = NULL,
      published_at = CASE WHEN live THEN coalesce(sent_at, mypost_now()) END,
      error = CASE WHEN NOT live THEN jsonb_build_object('category', 'unknown', 'source', 'user', 'retryable', true,
        'message', 'Somebody has looked: the post did not go out') END
    WHERE id = target AND workspace_id = ANY (scope) AND state = 'needs_confirmation';
  RETURN FOUND;
END $$;

-- How publishing is doing, over all workspaces: numbers only.
CREATE FUNCTION publishing_gauges() RETURNS TABLE (name text, label text, value float8) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  SELECT 'targets', state::text, count(*)::float8 FROM targets
    WHERE state IN ('claimed', 'sending', 'confirming', 'unknown', 'needs_confirmation') GROUP BY state
  UNION ALL SELECT 'oldest_overdue_seconds', '', coalesce(extract(epoch FROM mypost_now() - min(greatest(next_due_at, hold_until))), 0)
    FROM lanes WHERE next_due_at <= mypost_now() AND (hold_until IS NULL OR hold_until <= mypost_now())
  UNION ALL SELECT 'oldest_unknown_seconds', '', coalesce(extract(epoch FROM mypost_now() - min(sent_at)), 0)
    FROM targets WHERE state = 'unknown'
  UNION ALL SELECT 'held_lanes', hold_reason, count(*)::float8 FROM lanes
    WHERE hold_until > mypost_now() AND next_due_at <= mypost_now() GROUP BY hold_reason
  UNION ALL SELECT 'breaker_open', network, (opened > 0)::int::float8 FROM gates
  UNION ALL SELECT 'quarantined', '', (quarantined_at IS NOT NULL)::int::float8 FROM installation
$$;

GRANT SELECT ON gates TO mypost_app;
REVOKE EXECUTE ON FUNCTION forecast(uuid), dispatcher_key(uuid), dispatch_arrive(), dispatch_mark(), dispatch_remember(uuid, bigint, uuid),
  dispatch_recover(), breaker_pause(int), breaker_count(uuid, boolean), budget_told(uuid, jsonb, boolean), dispatch_looks(int),
  dispatch_absent(uuid, bigint, float8, float8), dispatch_look_again(uuid, bigint, float8), dispatch_ahead(int), dispatch_reconnect(uuid, bigint, text),
  dispatch_prepared(uuid, uuid, text, text, timestamptz, jsonb), dispatch_ahead_done(uuid, float8),
  dispatch_store_grant(uuid, int, bytea, timestamptz, timestamptz), dispatch_expire(), resolve_target(uuid, boolean, text, uuid),
  dispatch_grant(uuid), publishing_gauges(), account_granted(), post_rewritten() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dispatcher_key(uuid), dispatch_arrive(), dispatch_mark(), dispatch_remember(uuid, bigint, uuid), dispatch_recover(),
  dispatch_looks(int), dispatch_absent(uuid, bigint, float8, float8), dispatch_look_again(uuid, bigint, float8), dispatch_ahead(int), dispatch_reconnect(uuid, bigint, text),
  dispatch_prepared(uuid, uuid, text, text, timestamptz, jsonb), dispatch_ahead_done(uuid, float8),
  dispatch_store_grant(uuid, int, bytea, timestamptz, timestamptz), dispatch_expire(), dispatch_grant(uuid) TO mypost_dispatch;
GRANT EXECUTE ON FUNCTION resolve_target(uuid, boolean, text, uuid), publishing_gauges() TO mypost_app;

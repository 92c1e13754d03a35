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

CREATE OR REPLACE FUNCTION dispatch_looks(most int) RETURNS SETOF drafts LANGUAGE plpgsql SECURITY DEFINER
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

-- As `post_rewritten` for the post's words: what was made of the old ones is not used any more, and what is being made
-- of them right now comes too late. It fires before `guard`, which plans the first step anew.
CREATE FUNCTION target_altered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.handle := NULL;
  NEW.handle_ends_at := NULL;
  IF OLD.state = 'scheduled' THEN NEW.fence := NEW.fence + 1; END IF;
  IF OLD.sent_at IS NOT NULL AND NEW.generation = OLD.generation THEN
    NEW.generation := OLD.generation + 1;
    NEW.dispatch_key := gen_random_uuid();
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER altered BEFORE UPDATE OF content, options ON targets FOR EACH ROW
  WHEN (OLD.content IS DISTINCT FROM NEW.content OR OLD.options <> NEW.options) EXECUTE FUNCTION target_altered();
REVOKE EXECUTE ON FUNCTION target_altered() FROM PUBLIC;

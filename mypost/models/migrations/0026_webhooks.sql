-- Webhooks: what happened is told to addresses of a workspace, each at its own pace, at least once.
ALTER TABLE webhooks ALTER created_at SET DEFAULT mypost_now();
ALTER TABLE webhooks ALTER updated_at SET DEFAULT mypost_now();
ALTER TABLE webhooks ADD UNIQUE (workspace_id, id);
ALTER TABLE webhooks ADD FOREIGN KEY (workspace_id) REFERENCES workspaces (id);
ALTER TABLE webhooks ADD FOREIGN KEY (created_by) REFERENCES users (id);
ALTER TABLE webhooks ADD CHECK (disabled_reason IN ('gone', 'failing'));
CREATE INDEX webhooks_by_workspace ON webhooks (workspace_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

-- Keys of signatures, encrypted; those that a rotation has replaced sign beside the new one for a day.
CREATE TABLE webhook_secrets (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL,
  webhook_id uuid NOT NULL,
  cipher bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT mypost_now(),
  expires_at timestamptz,
  FOREIGN KEY (workspace_id, webhook_id) REFERENCES webhooks (workspace_id, id)
);
CREATE INDEX webhook_secrets_by_webhook ON webhook_secrets (webhook_id, created_at DESC);

-- One webhook's queue: when it is next due, until when it is left alone, since when nobody answers.
CREATE TABLE webhook_lanes (
  webhook_id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL,
  next_due_at timestamptz,
  hold_until timestamptz,
  failures int NOT NULL DEFAULT 0,
  failing_since timestamptz,
  told_at timestamptz,
  FOREIGN KEY (workspace_id, webhook_id) REFERENCES webhooks (workspace_id, id)
);
CREATE INDEX webhook_lanes_due ON webhook_lanes (next_due_at) WHERE next_due_at IS NOT NULL;

ALTER TABLE deliveries ALTER created_at SET DEFAULT mypost_now();
ALTER TABLE deliveries ALTER due_at SET DEFAULT mypost_now();
ALTER TABLE deliveries ADD FOREIGN KEY (workspace_id, webhook_id) REFERENCES webhooks (workspace_id, id);
ALTER TABLE deliveries ADD CHECK (status IN ('pending', 'delivered', 'failed'));
ALTER TABLE deliveries ADD CHECK ((due_at IS NOT NULL) = (status = 'pending'));
CREATE INDEX deliveries_due ON deliveries (webhook_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, created_at DESC, id DESC);
CREATE INDEX deliveries_by_age ON deliveries (created_at);

CREATE FUNCTION webhook_opens_lane() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO webhook_lanes (webhook_id, workspace_id) VALUES (NEW.id, NEW.workspace_id);
  RETURN NULL;
END $$;
CREATE TRIGGER opens_lane AFTER INSERT ON webhooks FOR EACH ROW EXECUTE FUNCTION webhook_opens_lane();

CREATE FUNCTION delivery_waits() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE webhook_lanes SET next_due_at = NEW.due_at
    WHERE webhook_id = NEW.webhook_id AND (next_due_at IS NULL OR next_due_at > NEW.due_at);
  RETURN NULL;
END $$;
CREATE TRIGGER waits AFTER INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION delivery_waits();

-- An instant as every door spells it; the twin of `write_time`.
CREATE FUNCTION spelled_time(t timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT to_char(t AT TIME ZONE 'UTC', CASE WHEN date_trunc('second', t) = t THEN 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
                                            ELSE 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"' END)
$$;

-- What is sent, byte for byte, at every try.
CREATE FUNCTION webhook_body(id uuid, event text, at timestamptz, data jsonb, number bigint) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT format('{"event":%1$s,"timestamp":%2$s,"data":%3$s,"id":%4$s,"type":%1$s,"sequence":%5$s}',
    to_json(event), to_json(spelled_time(at)), compact_json(data), to_json(id), coalesce(number::text, 'null'))
$$;

-- What a webhook calls an event; it has no word for most. A post that went out in part is both.
CREATE FUNCTION webhook_events(type text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN type = 'post.partially_published' THEN ARRAY['post.published', 'post.failed']
    WHEN type IN ('post.scheduled', 'post.publishing', 'post.published', 'post.failed', 'post.cancelled',
                  'post.needs_confirmation', 'approval.requested', 'approval.approved', 'approval.rejected',
                  'account.connected', 'account.expiring', 'account.needs_reauth', 'account.disconnected')
      THEN ARRAY[type]
    ELSE '{}' END
$$;

-- What is told of an event: of a post's end with what became of each target.
CREATE FUNCTION webhook_data(e events) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT e.payload || CASE WHEN e.type NOT LIKE 'post.%' THEN '{}' ELSE jsonb_build_object(
      'scheduledAt', spelled_time((e.payload ->> 'scheduledAt')::timestamptz),
      'publishedAt', spelled_time((e.payload ->> 'publishedAt')::timestamptz)) END
    || CASE WHEN e.type NOT IN ('post.published', 'post.partially_published', 'post.failed', 'post.needs_confirmation')
      THEN '{}' ELSE jsonb_build_object('targets', (
        SELECT coalesce(jsonb_agg(jsonb_build_object('targetId', t.id, 'accountId', t.account_id,
            'status', target_status(t.state), 'externalUrl', t.external_url, 'error', t.error ->> 'message')
          ORDER BY t.position, t.id), '[]')
        FROM targets t WHERE t.post_id = (e.payload ->> 'postId')::uuid AND NOT t.removed AND t.state <> 'cancelled')) END
$$;

-- With its number an event gets its deliveries: what a subscriber sees, a webhook says.
CREATE FUNCTION event_delivered() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE names text[] := webhook_events(NEW.type); data jsonb;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM webhooks w WHERE w.workspace_id = NEW.workspace_id AND w.active
                   AND w.deleted_at IS NULL AND w.events && names) THEN
    RETURN NULL;
  END IF;
  data := webhook_data(NEW);
  INSERT INTO deliveries (id, workspace_id, webhook_id, event, body)
    SELECT m.id, NEW.workspace_id, m.webhook, m.event, webhook_body(m.id, m.event, NEW.occurred_at, data, NEW.number)
    FROM (SELECT w.id AS webhook, n.event, mypost_id(16) AS id
          FROM webhooks w JOIN unnest(names) n (event) ON n.event = ANY (w.events)
          WHERE w.workspace_id = NEW.workspace_id AND w.active AND w.deleted_at IS NULL OFFSET 0) m;
  RETURN NULL;
END $$;
CREATE TRIGGER delivered AFTER INSERT ON events FOR EACH ROW
  WHEN (NEW.type LIKE 'post.%' OR NEW.type LIKE 'approval.%' OR NEW.type LIKE 'account.%')
  EXECUTE FUNCTION event_delivered();

-- Takes what is due, from each webhook as many as it may still have on the way: ten, or one while it fails. `busy` says how
-- many it has. Until its lease ends nobody else takes it; then whoever had it is gone.
CREATE FUNCTION deliveries_take(most int, busy uuid[], counts int[]) RETURNS TABLE (
  id uuid, workspace_id uuid, webhook_id uuid, event text, body text, attempt int, url text, secrets uuid[], ciphers bytea[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE lanes uuid[]; free int[]; hits uuid[];
BEGIN
  SELECT array_agg(x.webhook_id), array_agg(x.free) INTO lanes, free FROM (
    SELECT l.webhook_id, CASE WHEN l.failures < 5 THEN 10 ELSE 1 END - coalesce(b.n, 0) AS free
    FROM webhook_lanes l LEFT JOIN unnest(busy, counts) b (id, n) ON b.id = l.webhook_id
    WHERE l.next_due_at <= mypost_now() AND (l.hold_until IS NULL OR l.hold_until <= mypost_now())
      AND coalesce(b.n, 0) < CASE WHEN l.failures < 5 THEN 10 ELSE 1 END
    ORDER BY l.next_due_at LIMIT most FOR NO KEY UPDATE OF l SKIP LOCKED) x;
  IF lanes IS NULL THEN RETURN; END IF;
  hits := ARRAY(SELECT d.id FROM unnest(lanes, free) f (lane, free), LATERAL (
      SELECT x.id FROM deliveries x WHERE x.webhook_id = f.lane AND x.due_at <= mypost_now()
      ORDER BY x.due_at LIMIT f.free FOR NO KEY UPDATE SKIP LOCKED) d LIMIT most);
  -- Switched off meanwhile: it is told nothing but what somebody tries by hand.
  UPDATE deliveries d SET status = 'failed', due_at = NULL FROM webhooks w
    WHERE d.id = ANY (hits) AND w.id = d.webhook_id
      AND (w.deleted_at IS NOT NULL OR NOT w.active AND d.event <> 'webhook.test');
  RETURN QUERY
    UPDATE deliveries d SET attempts = d.attempts + 1, due_at = mypost_now() + interval '30 s'
      FROM webhooks w WHERE d.id = ANY (hits) AND d.status = 'pending' AND w.id = d.webhook_id
      RETURNING d.id, d.workspace_id, d.webhook_id, d.event::text, d.body, d.attempts, w.url::text,
        ARRAY(SELECT s.id FROM webhook_secrets s WHERE s.webhook_id = w.id
          AND (s.expires_at IS NULL OR s.expires_at > mypost_now()) ORDER BY s.created_at DESC, s.id DESC),
        ARRAY(SELECT s.cipher FROM webhook_secrets s WHERE s.webhook_id = w.id
          AND (s.expires_at IS NULL OR s.expires_at > mypost_now()) ORDER BY s.created_at DESC, s.id DESC);
  UPDATE webhook_lanes l SET next_due_at = (SELECT min(d.due_at) FROM deliveries d WHERE d.webhook_id = l.webhook_id)
    WHERE l.webhook_id = ANY (lanes);
END $$;

-- Facts for a letter to everybody who may mend a webhook; jobs/letters.py finds the words.
CREATE FUNCTION webhook_noticed(webhook uuid, kind text, why text) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  INSERT INTO mails (id, address, subject, body, notice)
    SELECT mypost_id(21), u.email, '', '', jsonb_build_object('kind', kind, 'webhookId', w.id, 'url', w.url,
      'workspace', s.name, 'since', spelled_time(l.failing_since), 'reason', why)
    FROM webhooks w JOIN workspaces s ON s.id = w.workspace_id JOIN webhook_lanes l ON l.webhook_id = w.id
      JOIN members m ON m.workspace_id = w.workspace_id JOIN roles r ON r.id = m.role_id JOIN users u ON u.id = m.user_id
    WHERE w.id = webhook AND 'workspace.settings' = ANY (r.permissions)
$$;

-- Switches a webhook off, says so in the audit and by letter.
CREATE FUNCTION webhook_disable(webhook uuid, why text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE w webhooks;
BEGIN
  UPDATE webhooks SET active = false, disabled_at = mypost_now(), disabled_reason = why, updated_at = mypost_now()
    WHERE id = webhook AND active AND deleted_at IS NULL RETURNING * INTO w;
  IF w.id IS NULL THEN RETURN; END IF;
  INSERT INTO audit_events (id, workspace_id, action, user_id, actor_type, resource_type, resource_id, metadata)
    VALUES (mypost_id(13), w.workspace_id, 'webhook.disabled', w.created_by, 'system', 'webhook', w.id,
      jsonb_build_object('reason', why));
  PERFORM webhook_noticed(w.id, 'webhook.disabled', why);
END $$;

-- Writes down what came of a try: `wrong` is NULL when it arrived. A try that somebody else has taken over says nothing.
-- Ten tries: at once, then after 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 h, each a tenth sooner or later.
CREATE FUNCTION delivery_done(delivery uuid, its_attempt int, code int, wrong text, took_ms int, said text, retry_after int)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  waits int[] := '{5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400}';
  d deliveries; l webhook_lanes;
BEGIN
  SELECT x.* INTO l FROM webhook_lanes x JOIN deliveries y ON y.webhook_id = x.webhook_id
    WHERE y.id = delivery FOR NO KEY UPDATE OF x;
  UPDATE deliveries x SET tries = x.tries + 1,
      log = CASE WHEN jsonb_array_length(x.log) < 50 THEN x.log ELSE x.log - 0 END || jsonb_build_object(
        'at', spelled_time(mypost_now()), 'statusCode', code, 'durationMs', took_ms, 'error', wrong, 'answer', said),
      status = n.status, delivered_at = CASE WHEN wrong IS NULL THEN mypost_now() ELSE x.delivered_at END,
      due_at = CASE WHEN n.status = 'pending' THEN mypost_now() + interval '1 second'
        * greatest(waits[x.tries + 1] * (0.9 + 0.2 * random()), retry_after) END
    FROM (SELECT y.id, CASE WHEN wrong IS NULL THEN 'delivered'
            WHEN y.tries + 1 >= CASE y.event WHEN 'webhook.test' THEN 1 ELSE 10 END THEN 'failed' ELSE 'pending' END AS status
          FROM deliveries y WHERE y.id = delivery) n
    WHERE x.id = n.id AND x.attempts = its_attempt AND x.status = 'pending' RETURNING x.* INTO d;
  IF d.id IS NULL THEN RETURN; END IF;
  -- What failed because somebody tried it by hand counts for nothing.
  UPDATE webhook_lanes x SET
      failures = CASE WHEN wrong IS NULL THEN 0 WHEN d.event = 'webhook.test' THEN x.failures ELSE x.failures + 1 END,
      failing_since = CASE WHEN wrong IS NULL THEN NULL WHEN d.event = 'webhook.test' THEN x.failing_since
                           ELSE coalesce(x.failing_since, mypost_now()) END,
      told_at = CASE WHEN wrong IS NOT NULL THEN x.told_at END,
      hold_until = CASE WHEN wrong IS NULL THEN NULL
        WHEN retry_after IS NOT NULL OR code IN (429, 502, 503, 504) OR x.failures >= 4
          THEN greatest(x.hold_until, mypost_now() + interval '1 second' * coalesce(least(retry_after, 3600), 5))
        ELSE x.hold_until END,
      next_due_at = (SELECT min(y.due_at) FROM deliveries y WHERE y.webhook_id = x.webhook_id)
    WHERE x.webhook_id = d.webhook_id RETURNING x.* INTO l;
  IF wrong IS NULL OR d.event = 'webhook.test' THEN RETURN; END IF;
  IF code = 410 THEN
    PERFORM webhook_disable(d.webhook_id, 'gone');
  ELSIF l.failures >= 10 AND l.failing_since <= mypost_now() - interval '120 hours' THEN
    PERFORM webhook_disable(d.webhook_id, 'failing');
  ELSIF l.told_at IS NULL AND l.failing_since <= mypost_now() - interval '24 hours' THEN
    UPDATE webhook_lanes SET told_at = mypost_now() WHERE webhook_id = d.webhook_id;
    PERFORM webhook_noticed(d.webhook_id, 'webhook.failing', wrong);
  END IF;
END $$;

-- Housekeeping: what was told is known for 30 days.
CREATE FUNCTION deliveries_forget() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH secrets AS (DELETE FROM webhook_secrets WHERE expires_at <= mypost_now()),
  gone AS (DELETE FROM deliveries WHERE created_at < mypost_now() - interval '30 days' AND status <> 'pending' RETURNING 1)
  SELECT count(*)::int FROM gone
$$;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['webhooks', 'webhook_secrets', 'webhook_lanes', 'deliveries'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I TO mypost_app USING (workspace_id = ANY '
      '((SELECT nullif(current_setting(''mypost.ws'', true), '''')::uuid[])::uuid[]))', t);
    EXECUTE format('CREATE POLICY definer ON %I TO mypost_owner USING (true) WITH CHECK (true)', t);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON webhooks, webhook_secrets, deliveries TO mypost_app;
GRANT SELECT, UPDATE ON webhook_lanes TO mypost_app;
GRANT DELETE ON webhook_secrets TO mypost_app;

REVOKE EXECUTE ON FUNCTION webhook_opens_lane(), delivery_waits(), spelled_time(timestamptz),
  webhook_body(uuid, text, timestamptz, jsonb, bigint), webhook_events(text), webhook_data(events), event_delivered(),
  deliveries_take(int, uuid[], int[]), webhook_noticed(uuid, text, text), webhook_disable(uuid, text),
  delivery_done(uuid, int, int, text, int, text, int), deliveries_forget() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION spelled_time(timestamptz), webhook_body(uuid, text, timestamptz, jsonb, bigint),
  compact_json(jsonb) TO mypost_app;
GRANT EXECUTE ON FUNCTION deliveries_take(int, uuid[], int[]), delivery_done(uuid, int, int, text, int, text, int),
  deliveries_forget() TO mypost_dispatch;

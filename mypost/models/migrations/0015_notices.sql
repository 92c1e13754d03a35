-- Letters about outcomes: written in the transaction of the outcome, so never lost and never twice. They hold facts and
-- no way in; jobs/letters.py finds the words. What goes well costs nothing: these triggers do not fire for it.
ALTER TABLE mails ADD COLUMN notice jsonb;

CREATE OR REPLACE FUNCTION mail_done(mail uuid, wrong text) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  UPDATE mails SET error = wrong,
    sent_at = CASE WHEN wrong IS NULL THEN mypost_now() END,
    due_at = CASE WHEN wrong IS NOT NULL THEN due_at END,
    body = CASE WHEN wrong IS NULL THEN '' ELSE body END,
    notice = CASE WHEN wrong IS NOT NULL THEN notice END
  WHERE id = mail
$$;

-- To its author, or to whoever scheduled it when he has left.
CREATE FUNCTION post_noticed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO mails (id, address, subject, body, notice)
    SELECT mypost_id(21), u.email, '', '', jsonb_build_object('kind', 'post.' || NEW.phase, 'postId', NEW.id,
      'content', left(NEW.content, 200), 'brand', (SELECT b.name FROM brands b WHERE b.id = NEW.brand_id),
      'targets', (SELECT coalesce(jsonb_agg(jsonb_build_object('account', a.name, 'network', a.network,
          'message', t.error ->> 'message') ORDER BY t.position, t.id), '[]')
        FROM targets t JOIN accounts a ON a.id = t.account_id
        WHERE t.post_id = NEW.id AND NOT t.removed AND t.state IN ('failed', 'needs_confirmation')))
    FROM (SELECT m.user_id FROM members m WHERE m.workspace_id = NEW.workspace_id AND m.user_id IN (NEW.created_by, NEW.scheduled_by)
          ORDER BY m.user_id = NEW.created_by DESC LIMIT 1) who
    JOIN users u ON u.id = who.user_id
    WHERE CASE NEW.phase WHEN 'needs_confirmation' THEN u.mail_post_needs_confirmation ELSE u.mail_post_failed END;
  RETURN NULL;
END $$;
-- What needed confirmation moves by somebody's word: he knows.
CREATE TRIGGER noticed AFTER UPDATE OF phase ON posts FOR EACH ROW
  WHEN (NEW.phase IN ('failed', 'partially_published', 'needs_confirmation') AND OLD.phase <> NEW.phase
    AND OLD.phase <> 'needs_confirmation' AND NEW.deleted_at IS NULL)
  EXECUTE FUNCTION post_noticed();

-- To everybody who may connect the account again.
CREATE FUNCTION account_noticed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO mails (id, address, subject, body, notice)
    SELECT mypost_id(21), u.email, '', '', jsonb_build_object('kind', 'account.needs_reauth', 'accountId', NEW.id,
      'account', NEW.name, 'network', NEW.network, 'message', NEW.last_error,
      'brand', (SELECT b.name FROM brands b WHERE b.id = NEW.brand_id),
      'waiting', (SELECT count(*) FROM targets t WHERE t.account_id = NEW.id AND t.state = 'scheduled'))
    FROM members m JOIN roles r ON r.id = m.role_id JOIN users u ON u.id = m.user_id
    WHERE m.workspace_id = NEW.workspace_id AND 'accounts.connect' = ANY (r.permissions) AND u.mail_account_needs_reauth;
  RETURN NULL;
END $$;
CREATE TRIGGER noticed AFTER UPDATE OF status ON accounts FOR EACH ROW
  WHEN (NEW.status = 'needs_reauth' AND OLD.status <> 'needs_reauth') EXECUTE FUNCTION account_noticed();

CREATE FUNCTION account_notices(person uuid, OUT post_failed boolean, OUT post_needs_confirmation boolean,
  OUT account_needs_reauth boolean) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT mail_post_failed, mail_post_needs_confirmation, mail_account_needs_reauth FROM users WHERE id = person
$$;
CREATE FUNCTION account_notify(person uuid, failed boolean, unconfirmed boolean, reauth boolean) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE users SET mail_post_failed = coalesce(failed, mail_post_failed),
    mail_post_needs_confirmation = coalesce(unconfirmed, mail_post_needs_confirmation),
    mail_account_needs_reauth = coalesce(reauth, mail_account_needs_reauth), updated_at = mypost_now()
    WHERE id = person
$$;

REVOKE EXECUTE ON FUNCTION post_noticed(), account_noticed(), account_notices(uuid),
  account_notify(uuid, boolean, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION account_notices(uuid), account_notify(uuid, boolean, boolean, boolean) TO mypost_app;

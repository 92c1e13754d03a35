-- Members as people see them; the rows below keep their walls.
CREATE FUNCTION last_active(person uuid) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT max(t.created_at) FROM sessions s JOIN refresh_tokens t ON t.session_id = s.id WHERE s.user_id = person
$$;
CREATE VIEW workspace_users WITH (security_invoker = true) AS
  SELECT m.user_id AS id, m.workspace_id, u.email, u.name, m.role_id, r.name AS role_name, r.permissions,
         m.joined_at, last_active(m.user_id) AS last_active_at
  FROM members m JOIN users u ON u.id = m.user_id JOIN roles r ON r.id = m.role_id;
CREATE INDEX members_by_workspace ON members (workspace_id, joined_at DESC, user_id DESC);
CREATE INDEX members_by_role ON members (role_id);

-- Whatever a resolver forgets: a workspace has an owner when the transaction commits.
CREATE FUNCTION owner_stays() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM 1 FROM workspaces WHERE id = OLD.workspace_id FOR NO KEY UPDATE;
  IF NOT EXISTS (SELECT 1 FROM members m JOIN roles r ON r.id = m.role_id
      WHERE m.workspace_id = OLD.workspace_id AND r.system AND r.name = 'Owner') THEN
    RAISE EXCEPTION 'a workspace keeps an owner' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER owner_stays AFTER UPDATE OR DELETE ON members
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION owner_stays();

-- A default role is what it is.
CREATE FUNCTION system_role_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.system THEN
    RAISE EXCEPTION 'a default role is not changed' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER system_role_stays BEFORE UPDATE OR DELETE ON roles FOR EACH ROW EXECUTE FUNCTION system_role_stays();

REVOKE EXECUTE ON FUNCTION last_active(uuid), owner_stays(), system_role_stays() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION last_active(uuid) TO mypost_app;
GRANT SELECT ON workspace_users TO mypost_app;

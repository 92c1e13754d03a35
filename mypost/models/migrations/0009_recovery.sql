-- A role that is deleted takes its settled invitations with it; an open one keeps it.
ALTER TABLE invitations DROP CONSTRAINT invitations_workspace_id_role_id_fkey;
ALTER TABLE invitations ADD FOREIGN KEY (workspace_id, role_id) REFERENCES roles (workspace_id, id) ON DELETE CASCADE;

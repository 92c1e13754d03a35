-- The wall clock a time was meant by stays beside it; without a time there is none.
ALTER TABLE posts ADD CONSTRAINT local_time_has_zone CHECK ((local_time IS NULL) = (timezone IS NULL));
CREATE FUNCTION post_untimed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.local_time := NULL;
  NEW.timezone := NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER untimed BEFORE UPDATE OF scheduled_at ON posts FOR EACH ROW
  WHEN (NEW.scheduled_at IS NULL) EXECUTE FUNCTION post_untimed();
REVOKE EXECUTE ON FUNCTION post_untimed() FROM PUBLIC;
GRANT UPDATE (local_time, timezone) ON posts TO mypost_app;

-- A month of a brand, or of a workspace.
CREATE INDEX posts_by_time ON posts (brand_id, scheduled_at) WHERE deleted_at IS NULL AND scheduled_at IS NOT NULL;
CREATE INDEX posts_of_workspace_by_time ON posts (workspace_id, scheduled_at) WHERE deleted_at IS NULL AND scheduled_at IS NOT NULL;

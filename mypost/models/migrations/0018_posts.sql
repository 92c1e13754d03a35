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

-- The posts of a brand are all of one workspace. Who multiplies the two expects a handful of posts, and sorts them all.
CREATE STATISTICS posts_of_brand (dependencies) ON brand_id, workspace_id FROM posts;

-- The bench's data set: 20 workspaces, 200 users, 200 brands, 2,000 accounts, 200,000 posts,
-- 500,000 targets. Load it as a superuser into a fresh, migrated database:
--
--   SET bench.scale = '1';   -- 0.1 makes a tenth of the posts and targets
--   \i bench/seed.sql
--
-- Every value follows from a row's number, so a load generator can name rows it has never read
-- (bench/numbers.py is the twin). Triggers and foreign keys are off while it loads; the end counts
-- what they would have refused. History (transitions, outbox, audit) is left empty: no query here reads it.
SET session_replication_role = replica;
SET synchronous_commit = off;

-- An id of ours by number: a UUIDv7 with its type, 100 s apart, counted in its random bits.
CREATE FUNCTION pg_temp.id(tag int, n bigint, k int DEFAULT 0) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex(1767225600000 + 100000 * n), 12, '0') || '7' || lpad(to_hex(tag), 3, '0')
          || '8' || lpad(to_hex(k), 3, '0') || lpad(to_hex(n), 12, '0'))::uuid
$$;
CREATE FUNCTION pg_temp.at(n bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
  SELECT to_timestamp(1767225600 + 100 * n)
$$;

INSERT INTO workspaces (id, name, slug)
  SELECT pg_temp.id(3, i), 'Workspace ' || i, 'ws-' || i FROM generate_series(1, 20) i;
INSERT INTO roles (id, workspace_id, name, permissions, system)
  SELECT pg_temp.id(4, w, r), pg_temp.id(3, w), name, permissions, true
  FROM generate_series(1, 20) w, (VALUES
    (1, 'Owner', ARRAY['accounts.connect', 'accounts.disconnect', 'analytics.export', 'analytics.view',
      'brands.create', 'brands.delete', 'brands.edit', 'media.delete', 'media.upload', 'posts.create',
      'posts.delete', 'posts.edit', 'posts.publish', 'posts.schedule', 'roles.manage', 'users.invite',
      'users.manage', 'workspace.settings']),
    (2, 'Editor', ARRAY['analytics.view', 'media.upload', 'posts.create', 'posts.edit', 'posts.schedule'])
  ) v (r, name, permissions);
-- Ten people in each workspace, all signed in; the first owns it.
INSERT INTO users (id, email, name, password_hash)
  SELECT pg_temp.id(1, i), 'user' || i || '@example.org', 'User ' || i, '!' FROM generate_series(1, 200) i;
INSERT INTO members (id, workspace_id, user_id, role_id)
  SELECT pg_temp.id(5, i), pg_temp.id(3, w), pg_temp.id(1, i), pg_temp.id(4, w, CASE WHEN i <= 20 THEN 1 ELSE 2 END)
  FROM generate_series(1, 200) i, LATERAL (SELECT (i - 1) % 20 + 1) x (w);
INSERT INTO sessions (id, user_id, expires_at)
  SELECT pg_temp.id(2, i), pg_temp.id(1, i), '2099-01-01Z' FROM generate_series(1, 200) i;

INSERT INTO brands (id, workspace_id, name, created_at, updated_at)
  SELECT pg_temp.id(6, i), pg_temp.id(3, (i - 1) % 20 + 1), 'Brand ' || i, pg_temp.at(i), pg_temp.at(i)
  FROM generate_series(1, 200) i;
INSERT INTO accounts (id, workspace_id, brand_id, network, external_id, handle, name, status,
                      grant_cipher, created_at, updated_at)
  SELECT pg_temp.id(7, i), pg_temp.id(3, (b - 1) % 20 + 1), pg_temp.id(6, b),
         (ARRAY['bluesky', 'sandbox'])[rank % 2 + 1], 'ext' || i, 'handle' || i, 'Account ' || i,
         CASE WHEN i % 17 = 0 THEN 'needs_reauth' ELSE 'active' END, '\x00', pg_temp.at(i), pg_temp.at(i)
  FROM generate_series(1, 2000) i, LATERAL (SELECT (i - 1) % 200 + 1, (i - 1) / 200) x (b, rank);

-- 1,000 posts a brand: about 30 % scheduled, 55 % published, the rest drafts and failures.
CREATE TEMP TABLE planned AS
  SELECT i, b, rank, (b - 1) % 20 + 1 AS w, 1 + (b - 1) % 20 + 20 * (rank % 10) AS author, pg_temp.at(i) AS created,
         CASE WHEN r < 300 THEN 'scheduled' WHEN r < 850 THEN 'published' WHEN r < 970 THEN 'draft' ELSE 'failed' END AS phase,
         CASE WHEN r < 300 THEN timestamptz '2027-01-01Z' + i * interval '61 s'
              WHEN r < 850 OR r >= 970 THEN pg_temp.at(i) + interval '1 day' END AS due
  FROM generate_series(1, (200000 * current_setting('bench.scale')::float8)::int) i,
       LATERAL (SELECT (i - 1) % 200 + 1, (i - 1) / 200, (i::bigint * 2654435761) % 1000) x (b, rank, r);
INSERT INTO posts (id, workspace_id, brand_id, content, stage, phase, scheduled_at, published_at, created_by,
                   scheduled_by, created_at, updated_at)
  SELECT pg_temp.id(9, i), pg_temp.id(3, w), pg_temp.id(6, b),
         rpad('Post ' || i || ' — launch news, "quotes" & #hashtags. ', 200, 'lorem ipsum dolor sit amet '),
         CASE phase WHEN 'draft' THEN 'draft' ELSE 'scheduled' END, phase, due,
         CASE phase WHEN 'published' THEN due + interval '2 s' END, pg_temp.id(1, author),
         CASE WHEN phase <> 'draft' THEN pg_temp.id(1, author) END, created, created
  FROM planned ORDER BY i;
INSERT INTO post_tags (id, workspace_id, post_id, tag)
  SELECT pg_temp.id(0, i, k), pg_temp.id(3, w), pg_temp.id(9, i), (ARRAY['launch', 'news'])[k]
  FROM planned, generate_series(1, 2) k WHERE rank % 4 = 0 ORDER BY i;

-- 2.5 targets a post: two or three of its brand's accounts.
INSERT INTO targets (id, workspace_id, post_id, account_id, position, state, due_at, fence, dispatch_key, attempts,
                     sent_at, proof, external_id, external_url, published_at, error, created_at, updated_at)
  SELECT pg_temp.id(10, i, k), pg_temp.id(3, w), pg_temp.id(9, i), pg_temp.id(7, b + 200 * ((rank + 3 * k) % 10)), k,
         CASE phase WHEN 'draft' THEN 'pending' ELSE phase END, due, CASE phase WHEN 'draft' THEN 0 WHEN 'scheduled' THEN 1 ELSE 2 END,
         pg_temp.id(10, i, k), CASE WHEN phase IN ('published', 'failed') THEN 1 ELSE 0 END,
         CASE WHEN phase IN ('published', 'failed') THEN due + interval '1 s' END,
         CASE phase WHEN 'published' THEN 'remote_id' WHEN 'failed' THEN 'definite_rejection' END,
         CASE phase WHEN 'published' THEN 'post_' || i || '_' || k END,
         CASE phase WHEN 'published' THEN 'https://social.example.org/' || i || '/' || k END,
         CASE phase WHEN 'published' THEN due + interval '2 s' END,
         CASE phase WHEN 'failed' THEN jsonb_build_object('category', 'content_rejected', 'source', 'platform', 'retryable', false,
                                                         'message', 'The network refused the text', 'networkCode', '422') END,
         created, created
  FROM planned, LATERAL generate_series(0, 1 + rank % 2) k ORDER BY i;
ANALYZE;
INSERT INTO lanes (account_id, workspace_id, next_due_at, network)
  SELECT a.id, a.workspace_id, (SELECT min(due_at) FROM targets t WHERE t.account_id = a.id AND t.state = 'scheduled'),
    a.network
  FROM accounts a;

-- What the triggers and foreign keys would have seen.
DO $$
BEGIN
  ASSERT NOT EXISTS (SELECT FROM members m LEFT JOIN roles r USING (workspace_id) WHERE r.id IS NULL);
  ASSERT NOT EXISTS (SELECT FROM accounts a LEFT JOIN brands b ON (b.workspace_id, b.id) = (a.workspace_id, a.brand_id) WHERE b.id IS NULL);
  ASSERT NOT EXISTS (SELECT FROM posts p LEFT JOIN brands b ON (b.workspace_id, b.id) = (p.workspace_id, p.brand_id) WHERE b.id IS NULL);
  ASSERT NOT EXISTS (SELECT FROM posts p LEFT JOIN members m ON (m.workspace_id, m.user_id) = (p.workspace_id, p.created_by) WHERE m.id IS NULL);
  ASSERT NOT EXISTS (SELECT FROM post_tags t LEFT JOIN posts p ON (p.workspace_id, p.id) = (t.workspace_id, t.post_id) WHERE p.id IS NULL);
  ASSERT NOT EXISTS (SELECT FROM targets t LEFT JOIN posts p ON (p.workspace_id, p.id) = (t.workspace_id, t.post_id) WHERE p.id IS NULL);
  ASSERT NOT EXISTS (SELECT FROM targets t LEFT JOIN accounts a ON (a.workspace_id, a.id) = (t.workspace_id, t.account_id) WHERE a.id IS NULL);
  ASSERT NOT EXISTS (SELECT FROM targets t JOIN posts p ON p.id = t.post_id
                     WHERE t.state <> CASE p.phase WHEN 'draft' THEN 'pending' ELSE p.phase END);
END $$;
DROP TABLE planned;
RESET session_replication_role;

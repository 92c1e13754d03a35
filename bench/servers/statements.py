"""The floor in SQL: each answer is one statement, and its bytes come from PostgreSQL."""


def time(column: str) -> str:
    """Spells an instant as RFC 3339 in UTC."""
    return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"


STATUS = (
    "CASE WHEN {0} IN ('scheduled', 'publishing') THEN 'scheduled'"
    " WHEN {0} IN ('published', 'partially_published') THEN 'published'"
    " WHEN {0} IN ('failed', 'needs_confirmation') THEN 'failed' ELSE 'draft' END"
).format("p.phase")
TARGET_STATUS = (
    "CASE t.state WHEN 'claimed' THEN 'scheduled' WHEN 'sending' THEN 'publishing'"
    " WHEN 'confirming' THEN 'publishing' ELSE t.state END"
)
CURSOR = "encode(timestamptz_send(p.created_at) || uuid_send(p.id), 'base64')"
NODE = f"""json_build_object('id', p.id, 'content', p.content, 'status', upper({STATUS}),
  'scheduledAt', {time("p.scheduled_at")},
  'author', (SELECT json_build_object('id', u.id, 'name', u.name) FROM users u WHERE u.id = p.created_by),
  'targets', (SELECT coalesce(json_agg(json_build_object('id', t.id, 'status', upper({TARGET_STATUS}),
      'account', json_build_object('id', a.id, 'network', upper(a.network), 'name', a.name))
      ORDER BY t.position, t.id), '[]')
    FROM targets t JOIN accounts a ON a.id = t.account_id WHERE t.post_id = p.id AND NOT t.removed))"""
PAGE = """page AS MATERIALIZED (SELECT * FROM posts WHERE brand_id = $1::uuid AND deleted_at IS NULL
    ORDER BY created_at DESC, id DESC LIMIT 51),
  p AS (SELECT * FROM page ORDER BY created_at DESC, id DESC LIMIT 50)"""
LAST = f"(SELECT {CURSOR} FROM p ORDER BY created_at, id LIMIT 1)"
MORE = "(SELECT count(*) > 50 FROM page)"
DASHBOARD = f"""WITH {PAGE}
SELECT json_build_object('data', json_build_object('brand', json_build_object('name', b.name,
  'socialAccounts', json_build_object('nodes', (SELECT coalesce(json_agg(json_build_object('id', a.id,
      'network', upper(a.network), 'name', a.name, 'status', upper(a.status)) ORDER BY a.created_at DESC, a.id DESC), '[]')
    FROM (SELECT * FROM accounts WHERE brand_id = b.id ORDER BY created_at DESC, id DESC LIMIT 50) a)),
  'posts', json_build_object(
    'edges', (SELECT coalesce(json_agg(json_build_object('cursor', {CURSOR}, 'node', {NODE})
              ORDER BY p.created_at DESC, p.id DESC), '[]') FROM p),
    'pageInfo', json_build_object('hasNextPage', {MORE}, 'endCursor', {LAST})))))::text
FROM brands b WHERE b.id = $1::uuid AND b.deleted_at IS NULL"""
POST = f"""SELECT json_build_object('data', json_build_object('post', {NODE}))::text
FROM posts p WHERE p.id = $1::uuid AND p.deleted_at IS NULL"""
RESOURCE = f"""json_build_object('id', p.id, 'brandId', p.brand_id, 'content', p.content, 'status', {STATUS},
  'phase', p.phase, 'version', p.version, 'mediaIds', ARRAY[]::text[],
  'targetAccountIds', coalesce((SELECT json_agg(t.account_id ORDER BY t.position, t.id) FROM targets t
    WHERE t.post_id = p.id AND NOT t.removed AND t.state <> 'cancelled'), '[]'),
  'tags', ARRAY(SELECT g.tag FROM post_tags g WHERE g.post_id = p.id ORDER BY g.tag),
  'scheduledAt', {time("p.scheduled_at")}, 'publishedAt', {time("p.published_at")}, 'createdBy', p.created_by,
  'createdAt', {time("p.created_at")}, 'updatedAt', {time("p.updated_at")},
  'targets', (SELECT coalesce(json_agg(json_build_object('id', t.id, 'accountId', t.account_id, 'network', a.network,
      'status', {TARGET_STATUS}, 'content', t.content, 'mediaIds', null, 'options', t.options,
      'externalId', t.external_id, 'externalUrl', t.external_url, 'publishedAt', {time("t.published_at")},
      'attempts', t.attempts, 'nextAttemptAt', {time("t.next_attempt_at")}, 'error', CASE WHEN t.error IS NOT NULL THEN
        json_build_object('category', t.error -> 'category', 'source', t.error -> 'source', 'retryable', t.error -> 'retryable',
          'message', t.error -> 'message', 'networkCode', t.error -> 'networkCode') END) ORDER BY t.position, t.id), '[]')
    FROM targets t JOIN accounts a ON a.id = t.account_id WHERE t.post_id = p.id AND NOT t.removed))"""
REST_LIST = f"""WITH {PAGE}
SELECT json_build_object(
  'data', (SELECT coalesce(json_agg({RESOURCE} ORDER BY p.created_at DESC, p.id DESC), '[]') FROM p),
  'page', json_build_object('nextCursor', CASE WHEN {MORE} THEN {LAST} END, 'hasMore', {MORE}, 'limit', 50))::text
FROM brands b WHERE b.id = $1::uuid AND b.deleted_at IS NULL"""
REST_POST = f"SELECT {RESOURCE}::text FROM posts p WHERE p.id = $1::uuid AND p.deleted_at IS NULL"
ALL = {"dashboard": DASHBOARD, "post": POST, "rest_list": REST_LIST, "rest_post": REST_POST}

// MyPost's read schema by hand: per-request DataLoaders over postgres.js, as a superuser.
import DataLoader from "dataloader";
import postgres from "postgres";

// postgres.js takes a socket's folder as an option only, not in the address.
const at = new URL(process.env.BENCH_DSN.replace("@/", "@localhost/"));
const sql = postgres({
  host: at.searchParams.get("host"), port: Number(at.searchParams.get("port")), database: at.pathname.slice(1),
  username: at.username, max: 10, connection: { jit: "off" },
});
const FIRST = 50;
const POST = sql`id, brand_id, content, phase, version, scheduled_at, published_at, created_by, created_at, updated_at`;
const STATUS = { publishing: "SCHEDULED", partially_published: "PUBLISHED", needs_confirmation: "FAILED",
  pending_approval: "DRAFT", approved: "DRAFT", rejected: "DRAFT" };
const TARGET_STATUS = { claimed: "SCHEDULED", sending: "PUBLISHING", confirming: "PUBLISHING" };

export const typeDefs = /* GraphQL */ `
  scalar DateTime
  scalar JSON
  enum Network { BLUESKY SANDBOX }
  enum AccountStatus { ACTIVE EXPIRING NEEDS_REAUTH DISCONNECTED }
  enum PostStatus { DRAFT SCHEDULED PUBLISHED FAILED }
  enum PostPhase { DRAFT PENDING_APPROVAL APPROVED REJECTED SCHEDULED PUBLISHING PUBLISHED PARTIALLY_PUBLISHED NEEDS_CONFIRMATION FAILED }
  enum TargetStatus { PENDING SCHEDULED PUBLISHING PUBLISHED FAILED UNKNOWN NEEDS_CONFIRMATION CANCELLED }
  type SocialAccount { id: ID! network: Network! name: String! status: AccountStatus! }
  type User { id: ID! name: String! }
  type TargetError { category: String! source: String! retryable: Boolean! message: String! networkCode: String }
  type Target { id: ID! accountId: ID! network: Network! status: TargetStatus! content: String mediaIds: [ID!] options: JSON! externalId: String
    externalUrl: String publishedAt: DateTime attempts: Int! nextAttemptAt: DateTime error: TargetError account: SocialAccount! }
  type Post { id: ID! brandId: ID! content: String! status: PostStatus! phase: PostPhase! version: Int! mediaIds: [ID!]! targetAccountIds: [ID!]!
    tags: [String!]! scheduledAt: DateTime publishedAt: DateTime createdBy: ID! createdAt: DateTime! updatedAt: DateTime! author: User targets: [Target!]! }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type PostEdge { cursor: String! node: Post! }
  type PostConnection { edges: [PostEdge!]! nodes: [Post!]! pageInfo: PageInfo! }
  type SocialAccountConnection { nodes: [SocialAccount!]! }
  type Brand { id: ID! name: String! socialAccounts(first: Int = ${FIRST}): SocialAccountConnection! posts(first: Int = ${FIRST}): PostConnection! }
  type Query { brand(id: ID!): Brand post(id: ID!): Post }
`;

const grouped = (keys, rows, key) => {
  const found = new Map(keys.map((each) => [each, []]));
  for (const row of rows) found.get(row[key]).push(row);
  return keys.map((each) => found.get(each));
};
const byId = (keys, rows) => {
  const found = new Map(rows.map((row) => [row.id, row]));
  return keys.map((key) => found.get(key) ?? null);
};
export const context = () => ({
  brands: new DataLoader(async (ids) => byId(ids, await sql`SELECT id, name FROM brands WHERE id = ANY(${ids}::uuid[]) AND deleted_at IS NULL`)),
  posts: new DataLoader(async (ids) => byId(ids, await sql`SELECT ${POST} FROM posts WHERE id = ANY(${ids}::uuid[]) AND deleted_at IS NULL`)),
  users: new DataLoader(async (ids) => byId(ids, await sql`SELECT id, name FROM users WHERE id = ANY(${ids}::uuid[])`)),
  accounts: new DataLoader(async (ids) => byId(ids, await sql`SELECT id, network, name, status FROM accounts WHERE id = ANY(${ids}::uuid[])`)),
  tags: new DataLoader(async (ids) => grouped(ids, await sql`SELECT post_id, tag FROM post_tags WHERE post_id = ANY(${ids}::uuid[]) ORDER BY tag`, "post_id")),
  targets: new DataLoader(async (ids) => grouped(ids, await sql`SELECT id, post_id, account_id, state, content, options, external_id, external_url,
    published_at, attempts, next_attempt_at, error FROM targets WHERE post_id = ANY(${ids}::uuid[]) AND NOT removed ORDER BY position, id`, "post_id")),
});

const cursor = (row) => Buffer.from(`${row.created_at.getTime()}|${row.id}`).toString("base64url");
const instant = (value) => value && value.toISOString();
const upper = (value) => value.toUpperCase();
export const resolvers = {
  Query: { brand: (_, { id }, ctx) => ctx.brands.load(id), post: (_, { id }, ctx) => ctx.posts.load(id) },
  Brand: {
    socialAccounts: async (brand, { first }) => ({
      nodes: await sql`SELECT id, network, name, status FROM accounts WHERE brand_id = ${brand.id} ORDER BY created_at DESC, id DESC LIMIT ${first}`,
    }),
    posts: async (brand, { first }) => {
      const rows = await sql`SELECT ${POST} FROM posts WHERE brand_id = ${brand.id} AND deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT ${first + 1}`;
      const nodes = rows.slice(0, first);
      const edges = nodes.map((node) => ({ cursor: cursor(node), node }));
      return { edges, nodes, pageInfo: { hasNextPage: rows.length > first, endCursor: edges.at(-1)?.cursor ?? null } };
    },
  },
  SocialAccount: { network: (a) => upper(a.network), status: (a) => upper(a.status) },
  Post: {
    brandId: (p) => p.brand_id, status: (p) => STATUS[p.phase] ?? upper(p.phase), phase: (p) => upper(p.phase), mediaIds: () => [],
    scheduledAt: (p) => instant(p.scheduled_at), publishedAt: (p) => instant(p.published_at), createdBy: (p) => p.created_by,
    createdAt: (p) => instant(p.created_at), updatedAt: (p) => instant(p.updated_at),
    tags: async (p, _, ctx) => (await ctx.tags.load(p.id)).map((row) => row.tag),
    targetAccountIds: async (p, _, ctx) => (await ctx.targets.load(p.id)).filter((t) => t.state !== "cancelled").map((t) => t.account_id),
    author: (p, _, ctx) => ctx.users.load(p.created_by), targets: (p, _, ctx) => ctx.targets.load(p.id),
  },
  Target: {
    accountId: (t) => t.account_id, status: (t) => TARGET_STATUS[t.state] ?? upper(t.state), mediaIds: () => null,
    network: async (t, _, ctx) => upper((await ctx.accounts.load(t.account_id)).network), account: (t, _, ctx) => ctx.accounts.load(t.account_id),
    externalId: (t) => t.external_id, externalUrl: (t) => t.external_url, publishedAt: (t) => instant(t.published_at), nextAttemptAt: (t) => instant(t.next_attempt_at),
  },
};

// GraphiQL on this very path; who signs in above sends his token with every operation.
const EXAMPLES = [
  `# Sign in above, then run these with Ctrl-Enter.
query Brands {
  viewer { name }
  workspaces(first: 5) {
    nodes { name brands(first: 5) { nodes { id name accountCount } } }
  }
}
`,
  `# Put the id of a brand into the variables below.
query Dashboard($brand: ID!) {
  brand(id: $brand) {
    name
    socialAccounts { nodes { id network name status } }
    posts(first: 20) {
      nodes { id content status scheduledAt targets { status externalUrl account { name } } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
`,
  `mutation Schedule($input: CreatePostInput!) {
  createPost(input: $input) {
    post { id status scheduledAt }
    userErrors { code message path }
  }
}
`,
  `# Live: leave it running while posts of the brand go out.
subscription Live($brand: ID!) {
  postStatusChanged(brandId: $brand) {
    ... on PostStatusEvent { cursor type phase occurredAt post { content } }
    ... on ResyncRequired { cursor reason }
  }
}
`,
];
const VARIABLES = [
  "{}",
  '{"brand": ""}',
  '{"input": {"brandId": "", "targetAccountIds": [""], "content": "Hello", "scheduledAt": "2030-01-01T07:00:00Z"}}',
  '{"brand": ""}',
];

let token = null;
const address = new URL("/graphql", location.href);
const socket = graphqlWs.createClient({
  url: address.href.replace(/^http/, "ws"),
  connectionParams: () => ({ accessToken: token }),
  lazy: true,
});
const fetcher = GraphiQL.createFetcher({
  url: address.href,
  wsClient: socket,
  fetch: (url, options) =>
    fetch(url, {
      ...options,
      headers: { ...options.headers, ...(token && { authorization: `Bearer ${token}` }) },
    }),
});

const root = ReactDOM.createRoot(document.getElementById("graphiql"));
root.render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultTabs: EXAMPLES.map((query, i) => ({ query, variables: VARIABLES[i] })),
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
  }),
);

const form = document.getElementById("sign-in");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const said = form.querySelector("output");
  const answer = await fetch("/api/v1/auth/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...Object.fromEntries(new FormData(form)), refreshTokenIn: "body" }),
  });
  const body = await answer.json();
  token = answer.ok ? body.accessToken : null;
  said.textContent = answer.ok ? `Signed in as ${body.user.name}` : body.error.message;
});

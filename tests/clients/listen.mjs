// Listens with one client and prints every event as a line of JSON: `node listen.mjs graphql-ws …`.
import { ApolloClient, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { Client, fetchExchange } from "@urql/core";
import { createClient as createSse } from "graphql-sse";
import { createClient as createWs } from "graphql-ws";
import WebSocket from "ws";

const [name, url, token, query, variables] = process.argv.slice(2);
const operation = { query, variables: JSON.parse(variables) };
const authorization = `Bearer ${token}`;
const say = (what) => console.log(JSON.stringify(what));
const sink = {
  next: (result) => say(result.data ?? result),
  error: (error) => say({ error: String(error?.message ?? JSON.stringify(error)) }),
  complete: () => say({ complete: true }),
};

const socket = () =>
  createWs({
    url: url.replace("http", "ws"),
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    on: { closed: ({ code }) => code === 1000 || say({ closed: code }) }, // 1000: it closed itself
    shouldRetry: () => false,
  });

const clients = {
  "graphql-ws": () => {
    socket().subscribe(operation, sink);
  },
  "graphql-sse": () => {
    createSse({ url, headers: { authorization }, retryAttempts: 0 }).subscribe(operation, sink);
  },
  urql: async () => {
    const client = new Client({
      url,
      exchanges: [fetchExchange],
      fetchSubscriptions: true,
      preferGetMethod: false,
      fetchOptions: { headers: { authorization } },
    });
    const asked = await client.query("{ viewer { email } }", {}).toPromise();
    say({ viewer: asked.data?.viewer, error: asked.error?.message });
    client.subscription(operation.query, operation.variables).subscribe((result) => {
      say(result.data ?? { error: String(result.error) });
    });
  },
  apollo: async () => {
    const client = new ApolloClient({ link: new GraphQLWsLink(socket()), cache: new InMemoryCache() });
    const asked = await client.query({ query: gql("{ viewer { email } }") });
    say({ viewer: { email: asked.data.viewer.email } });
    client
      .subscribe({ query: gql(operation.query), variables: operation.variables })
      .subscribe(sink);
  },
};

await clients[name]();
say({ listening: name });

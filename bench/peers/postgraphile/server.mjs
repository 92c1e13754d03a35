// PostGraphile 5 (Grafast) over the same tables, as a superuser: it checks nothing.
import { createServer } from "node:http";
import { postgraphile } from "postgraphile";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";

const port = Number(process.env.PORT);
const pool = { max: 10, idleTimeoutMillis: 0 }; // no connection is closed between two loads
const pgl = postgraphile({
  extends: [PostGraphileAmberPreset],
  disablePlugins: ["PgIndexBehaviorsPlugin"], // our keys are composite, our indexes start with the second half
  schema: { defaultBehavior: "+list +connection" },
  pgServices: [makePgService({ connectionString: process.env.BENCH_DSN, schemas: ["public"], pubsub: false, poolConfig: pool })],
  grafserv: { port, graphqlPath: "/graphql", watch: false, maxRequestLength: 100000 },
  grafast: { explain: false },
});
if (process.env.PRINT) {
  const { printSchema } = await import("postgraphile/graphql");
  console.log(printSchema(await pgl.getSchema()));
  process.exit(0);
}
const server = createServer();
await pgl.createServ(grafserv).addTo(server);
server.listen(port, "127.0.0.1");

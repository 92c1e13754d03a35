// The audit of graphql-http: prints every check that did not pass, then `graphql-http 61/61`.
import { auditServer } from "graphql-http";

const url = process.argv[2];
const results = await auditServer({ url });
const passed = results.filter((result) => result.status === "ok");
for (const result of results) {
  if (result.status !== "ok") console.log(result.status, result.id, result.name, result.reason);
}
console.log(`graphql-http ${passed.length}/${results.length}`);

// Prints every change from one schema to another that would break a client; exits with 1 if any does.
import { readFileSync } from "node:fs";

import { CriticalityLevel, diff } from "@graphql-inspector/core";
import { buildSchema } from "graphql";

const [before, after] = process.argv.slice(2).map((path) => buildSchema(readFileSync(path, "utf8")));
const changes = await diff(before, after);
const breaking = changes.filter((change) => change.criticality.level === CriticalityLevel.Breaking);
for (const change of breaking) console.log(change.path, change.message);
process.exit(breaking.length ? 1 : 0);

"""graphql-core's own tests of execution, as cases that graphql-core and the engine both answer.

Each case says its answer literally. Where the two differ it says both, and why.

Left out, because the engine has no such thing: `@defer` and `@stream`, middleware, abort signals,
execution hooks, custom executor classes, custom field and type resolvers for a whole execution,
custom `is_awaitable` and `is_async_iterable`, `execute_sync` and its `check_sync`.
Left out, because they look at graphql-core's insides: `collect_fields`, the memory of collected
subfields, `CollectedErrors`, `map_async_iterable`, how an `ExecutionResult` compares and prints.

They follow graphql-core's tests/execution, closely in places: MIT License, (c) GraphQL Contributors
(GraphQL.js), Syrus Akbary (GraphQL-core 2), Christoph Zwerschke (GraphQL-core 3).
"""

import pytest

pytest.register_assert_rewrite("tests.engine.cases.both")

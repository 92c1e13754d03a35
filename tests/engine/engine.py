"""The two ways to execute a document: by its plan, and by graphql-core."""

from collections import Counter
from inspect import isawaitable
from typing import Any

from graphql import DocumentNode, ExecutionResult, GraphQLSchema, execute, parse

from mypost.engine.compiled import Unsupported, compile_operation

counts: Counter[str] = Counter()
Text = str | DocumentNode


def read(text: Text) -> DocumentNode:
    """The document of a text."""
    return parse(text) if isinstance(text, str) else text


async def compiled(
    schema: GraphQLSchema,
    text: Text,
    root: Any = None,
    variables: dict[str, Any] | None = None,
    context: Any = None,
    operation_name: str | None = None,
) -> ExecutionResult:
    """Runs a document by its plan; what is not compiled, graphql-core runs, and it is counted."""
    document = read(text)
    try:
        answer = await compile_operation(schema, document, operation_name).run(
            variables, context, root
        )
    except Unsupported as reason:
        counts[str(reason)] += 1
        return await interpreted(schema, document, root, variables, context, operation_name)
    counts["compiled"] += 1
    return answer


def at_once(
    schema: GraphQLSchema,
    text: Text,
    root: Any = None,
    variables: dict[str, Any] | None = None,
    context: Any = None,
    operation_name: str | None = None,
) -> Any:
    """Runs a document by graphql-core; where nothing waits, the answer is there at once."""
    return execute(
        schema,
        read(text),
        root,
        context,
        variables,
        operation_name,
        hide_suggestions=True,
    )


async def interpreted(*asked: Any, **more: Any) -> ExecutionResult:
    """Runs a document by graphql-core."""
    answer = at_once(*asked, **more)
    return await answer if isawaitable(answer) else answer

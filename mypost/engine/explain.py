"""Shows how a document is run: its plan as a tree, and the Python that builds its objects."""

from collections.abc import Iterator

from graphql import GraphQLError, GraphQLSchema

from mypost.engine.compiled import Unsupported, compile_operation
from mypost.engine.documents import Documents
from mypost.engine.fetch import Attribute, Called, Computed, Fetch, Loaded, Resolver
from mypost.engine.plan import Field, Plan, Selection, Shape

HOW: dict[type[Fetch], str] = {
    Attribute: "read in place",
    Computed: "computed for each parent",
    Resolver: "called for each parent",
    Called: "called for each parent",
    Loaded: "loaded for all parents at once",
}


def explain(
    schema: GraphQLSchema,
    text: str,
    variables: dict[str, object] | None = None,
    name: str | None = None,
) -> str:
    """Answers the plan and the Python of an operation of a document, or why there is none."""
    prepared = Documents(schema).get(text)
    if prepared.document is None:
        return "\n".join(str(error) for error in prepared.errors)
    try:
        prepared.operation(name)
        compiled = compile_operation(schema, prepared.document, name)
        plans = list(compiled.plans.values())
        if not plans:
            values = compiled.variables.coerce(variables)
            if isinstance(values, list):
                return "\n".join(str(error) for error in values)
            plans = [compiled.compile(values)]
    except GraphQLError as error:
        return error.message
    except Unsupported as reason:
        return f"graphql-core runs this: {reason}"
    return "\n".join([*_plan(plans[0]), "", plans[0].source, *_pushed(plans[0])])


def _plan(plan: Plan) -> Iterator[str]:
    yield plan.operation.operation.value
    yield from _selection(plan.root, 1)


def _pushed(plan: Plan) -> Iterator[str]:
    for selection in plan.selections:
        for asked in selection.branches:
            if asked.json is not None:
                yield f"\n{selection.type.name}.{asked.name} AS\n{asked.json}"


def _selection(selection: Selection, depth: int) -> Iterator[str]:
    for asked in selection.fields:
        if isinstance(asked, Field):
            yield from _field(asked, depth)
        else:
            yield f"{'  ' * depth}{asked}: the name of the type"


def _field(asked: Field, depth: int) -> Iterator[str]:
    alias = "" if asked.key == asked.name else f"{asked.key}: "
    how = "read before" if _early(asked) else HOW[type(asked.fetch)]
    if asked.json is not None:
        how += ", as JSON"
    yield f"{'  ' * depth}{alias}{asked.name}: {asked.definition.type} · {how}"
    yield from _shape(asked.shape, depth + 1)


def _early(asked: Field) -> bool:
    """Whether an attribute is read apart from its object, because more is asked beneath it."""
    return isinstance(asked.fetch, Attribute) and not asked.inline


def _shape(shape: Shape, depth: int) -> Iterator[str]:
    if shape.of is not None:
        yield from _shape(shape.of, depth)
    for name, selection in shape.selections.items():
        if len(shape.selections) > 1 and selection.fields:
            yield f"{'  ' * depth}… on {name}"
            yield from _selection(selection, depth + 1)
        else:
            yield from _selection(selection, depth)

"""What a resolver is told besides its parent: graphql-core's ResolveInfo, worked out when asked."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphql import FieldNode, GraphQLObjectType, GraphQLOutputType, GraphQLSchema
from graphql.pyutils import Path, is_awaitable
from graphql.type.definition import GraphQLResolveInfoHelpers

from mypost.engine.places import Place

if TYPE_CHECKING:
    from mypost.engine.plan import Field
    from mypost.engine.run import Run


async def _gather(values: Sequence[Any]) -> list[Any]:
    return list(await asyncio.gather(*values))


class Info:
    """The `info` of one call; its attributes are those of `graphql.GraphQLResolveInfo`."""

    __slots__ = ("_field", "_index", "_place", "_run")

    abort_signal = None
    is_awaitable = staticmethod(is_awaitable)

    def __init__(self, run: "Run", field: "Field", place: Place, index: int) -> None:
        self._run = run
        self._field = field
        self._place = place
        self._index = index

    @property
    def field_name(self) -> str:
        """The name of the field in the schema."""
        return self._field.name

    @property
    def json(self) -> str | None:
        """The SQL of the JSON of the rows beneath, when they may come as that."""
        return self._field.json if self._run.pushes else None

    @property
    def field_nodes(self) -> list[FieldNode]:
        """The nodes of the document that ask for the field."""
        return self._field.nodes

    @property
    def return_type(self) -> GraphQLOutputType:
        """The type of the field."""
        return self._field.definition.type

    @property
    def parent_type(self) -> GraphQLObjectType:
        """The type the field belongs to."""
        return self._field.parent

    @property
    def path(self) -> Path | None:
        """The way from the root to this field; an item's type is asked by its list."""
        path = self._place.path(self._index)
        while path is not None and isinstance(path.key, int):
            path = path.prev
        return path

    @property
    def schema(self) -> GraphQLSchema:
        """The schema."""
        return self._run.plan.schema

    @property
    def fragments(self) -> dict[str, Any]:
        """The fragments of the document."""
        return self._run.plan.fragments

    @property
    def root_value(self) -> Any:
        """The root value of the operation."""
        return self._run.root

    @property
    def operation(self) -> Any:
        """The operation."""
        return self._run.plan.operation

    @property
    def variable_values(self) -> Any:
        """The variables, coerced."""
        return self._run.variables

    @property
    def context(self) -> Any:
        """The context of the request."""
        return self._run.context

    @property
    def operation_extensions(self) -> dict[str, Any]:
        """What Strawberry's extensions have left for the resolver: there are none."""
        return {}

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """Means for a type resolver that has to wait."""
        return GraphQLResolveInfoHelpers(gather=_gather, track=self._run.track)

"""What an operation asks for, worked out once: which fields of which type, and how each is met.

A plan is made for one choice of the variables that `@include` and `@skip` look at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_argument_values,
)
from graphql.execution.collect_fields import FieldDetailsList

from mypost.engine.fetch import Attribute, Fetch
from mypost.engine.leaves import Leaf

if TYPE_CHECKING:
    from mypost.engine.run import Run

Build = Callable[..., list[dict[str, Any]]]


class Kind(Enum):
    """What has to be done to complete a value."""

    LEAF = "leaf"
    LIST = "list"
    OBJECT = "object"
    ABSTRACT = "abstract"


@dataclass(slots=True)
class Shape:
    """The type of a value, down to the selections of its objects."""

    kind: Kind
    nullable: bool
    type: Any
    waits: bool = False
    leaf: Leaf | None = None
    of: "Shape | None" = None
    selections: Mapping[str, "Selection"] = field(default_factory=dict)
    trusted: bool = False  # rows of a declared load: nobody asks whether they are of the type


@dataclass(slots=True)
class Field:
    """One key of an answer's object."""

    key: str
    rank: int
    name: str
    parent: GraphQLObjectType
    definition: GraphQLField
    details: FieldDetailsList
    nodes: list[FieldNode]
    fetch: Fetch
    shape: Shape
    constant: dict[str, Any] | None
    json: str | None = None  # the SQL of its rows' JSON, where they can be pushed down

    @property
    def inline(self) -> bool:
        """Whether the value is read where the object is built."""
        return isinstance(self.fetch, Attribute) and self.shape.kind is Kind.LEAF

    @property
    def waits(self) -> bool:
        """Whether the value, or something beneath it, may have to be waited for."""
        return self.fetch.waits or self.shape.waits

    def arguments(self, run: "Run") -> dict[str, Any]:
        """Answers the arguments of one call; raises GraphQLError for a value that does not fit."""
        if self.constant is not None:
            return self.constant
        return get_argument_values(
            self.definition, self.nodes[0], run.variables, None, hide_suggestions=True
        )


@dataclass(slots=True)
class Selection:
    """The fields asked of objects of one type; a string is the key of a `__typename`.

    `branches` are the fields whose values are fetched before the objects are built.
    """

    type: GraphQLObjectType
    fields: list[Field | str]
    branches: list[Field]
    waits: bool
    build: Build | None = None  # the Python of its objects, once it is written
    pushed: bool = False  # its objects may come as their JSON


@dataclass(slots=True)
class Plan:
    """An operation, planned; `source` is the Python that builds its objects."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    root: Selection
    selections: list[Selection]
    pushed: tuple[str, ...]  # the SQL of what is pushed down
    source: str = ""

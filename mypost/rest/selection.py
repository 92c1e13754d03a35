"""What an endpoint asks of the schema: derived from the type it answers with."""

from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
)

from mypost.rest.routes import Route

DECLARED = "strawberry-definition"
USER_ERRORS = "userErrors"
PAGE = "pageInfo { hasNextPage endCursor }"


class RowError(Exception):
    """A row of the table does not fit the schema; the message names the row."""

    def __init__(self, route: Route, wrong: str) -> None:
        super().__init__(f"REST row {route}: {wrong}.")


@dataclass(slots=True)
class Selection:
    """A type and the fields asked of it, each with its own selection unless it is a leaf."""

    type: GraphQLObjectType
    fields: dict[str, "Selection | None"] = field(default_factory=dict)

    def __str__(self) -> str:
        inner = (f"{name} {child}" if child else name for name, child in self.fields.items())
        return f"{{ {' '.join(inner)} }}"

    def has(self, path: str) -> bool:
        """Whether a dotted path is asked for."""
        head, _, rest = path.partition(".")
        child = self.fields.get(head)
        return head in self.fields and (not rest or (child is not None and child.has(rest)))


def select(route: Route, type_: GraphQLObjectType) -> Selection:
    """Asks for every plain field of the type a row answers with. Raises RowError."""
    wanted = _Wanted(route)
    selection = wanted.of(type_, ())
    for word, asked in (("includes", wanted.include), ("omits", wanted.omit)):
        if asked:
            raise RowError(route, f"it {word} {min(asked)}, which {type_.name} does not have")
    return selection


class _Wanted:
    """A row's wishes, crossed off as the walk meets them."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.include = set(route.include)
        self.omit = set(route.omit)

    def of(self, type_: GraphQLObjectType, path: tuple[str, ...]) -> Selection:
        selection = Selection(type_)
        for name, declared in declared_order(type_):
            place = (*path, name)
            if self._takes(".".join(place), declared):
                inner = get_named_type(declared.type)
                leaf = is_leaf_type(inner)
                selection.fields[name] = None if leaf else self.of(_object(inner), place)
        if not selection.fields:
            raise RowError(self.route, f"nothing of {type_.name} is left to answer")
        return selection

    def _takes(self, place: str, declared: GraphQLField) -> bool:
        if place in self.omit:
            self.omit.remove(place)
            return False
        if place in self.include:
            self.include.remove(place)
            return True
        if place == USER_ERRORS or declared.args:
            return False
        inner = get_named_type(declared.type)
        return is_leaf_type(inner) or (
            isinstance(inner, GraphQLObjectType) and not is_node(inner) and not is_connection(inner)
        )


def _object(type_: GraphQLNamedType) -> GraphQLObjectType:
    if not isinstance(type_, GraphQLObjectType):
        raise TypeError(f"{type_.name} is not an object type")
    return type_


def declared_order(type_: GraphQLObjectType) -> list[tuple[str, GraphQLField]]:
    """Answers the fields of a type in the order of its declaration: `id` first."""
    declared: Any = type_.extensions.get(DECLARED)
    order = {id(f): i for i, f in enumerate(declared.fields)} if declared else {}

    def position(item: tuple[str, GraphQLField]) -> int:
        return order.get(id(item[1].extensions.get(DECLARED)), len(order))

    return sorted(type_.fields.items(), key=position)


def is_node(type_: GraphQLObjectType) -> bool:
    """Whether a type is an object with an id of its own, which is shown only when asked for."""
    return any(isinstance(i, GraphQLInterfaceType) and i.name == "Node" for i in type_.interfaces)


def is_connection(type_: GraphQLNamedType) -> bool:
    """Whether a type is a page of a list."""
    return isinstance(type_, GraphQLObjectType) and {"nodes", "pageInfo"} <= type_.fields.keys()

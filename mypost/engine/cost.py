"""What an operation may cost, known before it runs: the objects it could answer, weighed.

A field costs the weight of its type, 1 for an object and 0 for a leaf, plus what is asked beneath
it; a list costs that for each of its items. Pages multiply by what their arguments ask for, other
lists by the size they declare. Whatever `@include`, `@skip` and the type of an object may leave out
is counted in. Introspection is free; `bounds.py` limits it. The directives are those of the GraphQL
cost specification: https://ibm.github.io/graphql-specs/cost-spec.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
)
from strawberry.schema_directive import Location

MAX_COST = 1000
MAX_SIZE = 100  # no list is longer, whatever is asked for
DEFINITION = "strawberry-definition"


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT],
    name="cost",
    description="What a field, or an object of this type, costs.",
)
class Cost:
    """What a field, or an object of this type, costs."""

    weight: str


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="listSize",
    description="How long a list may be: what an argument says, else the assumed size.",
)
class ListSize:
    """How long a list may be: what an argument says, else the assumed size."""

    assumed_size: int | None
    require_one_slicing_argument: bool | None = strawberry.UNSET
    sized_fields: list[str] | None = strawberry.UNSET
    slicing_arguments: list[str] | None = strawberry.UNSET


class Asked(NamedTuple):
    """A size that variables say: the largest of them and of a literal beside them."""

    variables: tuple[str, ...]
    literal: int | None
    assumed: int

    def value(self, variables: Mapping[str, Any]) -> int:
        """Answers the size for these variables."""
        said = [_size(variables.get(name)) for name in self.variables]
        return max(
            (size for size in (self.literal, *said) if size is not None), default=self.assumed
        )


def _size(value: object) -> int | None:
    """The size a value says: none for null, as when it is left out; the most for nonsense."""
    if isinstance(value, list):
        return min(len(value), MAX_SIZE)
    if not isinstance(value, int):
        return None
    return value if 1 <= value <= MAX_SIZE else MAX_SIZE


# A sum of products: the sizes that multiply, and how often.
Price = dict[tuple[Asked, ...], int]


def price_of(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
) -> Price:
    """Answers what a valid operation costs, as a sum of products of its sizes."""
    root = schema.get_root_type(operation.operation)
    if root is None:
        return {}
    return _Pricing(schema, fragments).beneath([(root, operation.selection_set)])


def total(price: Price, variables: Mapping[str, Any]) -> int:
    """Answers the cost for these variables."""
    cost = 0
    for sizes, times in price.items():
        for size in sizes:
            times *= size.value(variables)  # noqa: PLW2901 - the product is built up
        cost += times
    return cost


def unsized(schema: GraphQLSchema) -> list[str]:
    """Names the fields whose lists of objects are of no declared size: each could be endless.

    A type whose lists are sized from above, as a connection is, has to be reached by fields that
    declare its size.
    """
    fields = [
        (f"{type_.name}.{name}", field)
        for type_ in schema.type_map.values()
        if not type_.name.startswith("__")
        for name, field in getattr(type_, "fields", {}).items()
        if isinstance(field, GraphQLField)
    ]
    sized: dict[str, set[str]] = {}
    for _, field in fields:
        if declared := _directive(field, ListSize):
            named = sized.setdefault(get_named_type(field.type).name, set())
            named.update(declared.sized_fields or ())
    from_above = {f"{type_}.{name}" for type_, names in sized.items() for name in names}
    return [
        place
        for place, field in fields
        if not _directive(field, ListSize)
        if sized.get(get_named_type(field.type).name)
        or (_is_objects(field) and place not in from_above)
    ]


def _is_objects(field: GraphQLField) -> bool:
    type_ = get_nullable_type(field.type)
    return is_list_type(type_) and not is_leaf_type(get_named_type(type_))


Parts = list[tuple[GraphQLNamedType, SelectionSetNode]]


@dataclass(slots=True)
class _Pricing:
    """Adds up an operation; what is asked twice for one key is one field."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]

    def beneath(self, parts: Parts, sized: Mapping[str, int | Asked] | None = None) -> Price:
        """Prices selections; `sized` says how long some of their lists are."""
        asked: dict[tuple[str, str], tuple[GraphQLNamedType, list[FieldNode]]] = {}
        for on, selected in parts:
            for owner, node in self._fields(on, selected, ()):
                key = node.alias.value if node.alias else node.name.value
                asked.setdefault((owner.name, key), (owner, []))[1].append(node)
        price: Price = {}
        for owner, nodes in asked.values():
            _add(price, self._field(owner, nodes, sized or {}))
        return price

    def _fields(
        self, on: GraphQLNamedType, selected: SelectionSetNode, path: tuple[str, ...]
    ) -> Iterable[tuple[GraphQLNamedType, FieldNode]]:
        for node in selected.selections:
            if isinstance(node, FieldNode):
                yield on, node
            elif isinstance(node, InlineFragmentNode):
                yield from self._fields(self._condition(node, on), node.selection_set, path)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in path:
                fragment = self.fragments[node.name.value]
                inner = self._condition(fragment, on)
                yield from self._fields(inner, fragment.selection_set, (*path, node.name.value))

    def _condition(
        self, node: InlineFragmentNode | FragmentDefinitionNode, on: GraphQLNamedType
    ) -> GraphQLNamedType:
        named = node.type_condition
        return (self.schema.get_type(named.name.value) if named else None) or on

    def _field(self, owner: Any, nodes: list[FieldNode], sized: Mapping[str, int | Asked]) -> Price:
        node = nodes[0]
        name = node.name.value
        definition = None if name.startswith("__") else owner.fields.get(name)
        if definition is None:
            return {}
        type_ = get_named_type(definition.type)
        declared = _directive(definition, ListSize)
        size = _length(node, declared) if declared else MAX_SIZE
        inner = dict.fromkeys(declared.sized_fields or (), size) if declared else {}
        parts = [(type_, n.selection_set) for n in nodes if n.selection_set is not None]
        price = self.beneath(parts, inner)
        _add(price, {(): _weight(definition, type_)})
        return _times(price, sized.get(name, size)) if _is_objects(definition) else price


def _weight(definition: GraphQLField, type_: GraphQLNamedType) -> int:
    declared = _directive(definition, Cost) or _directive(type_, Cost)
    if declared is not None:
        return int(declared.weight)
    return 0 if is_leaf_type(type_) else 1


def _directive(place: GraphQLField | GraphQLNamedType, kind: type[Any]) -> Any:
    definition = place.extensions.get(DEFINITION)
    directives = getattr(definition, "directives", None) or ()
    return next((each for each in directives if isinstance(each, kind)), None)


def _length(node: FieldNode, declared: ListSize) -> int | Asked:
    assumed, slicing = declared.assumed_size or MAX_SIZE, declared.slicing_arguments or ()
    given = [each.value for each in node.arguments or () if each.name.value in slicing]
    variables = tuple(each.name.value for each in given if isinstance(each, VariableNode))
    said = [size for each in given if (size := _said(each)) is not None]
    asked = Asked(variables, max(said, default=None), assumed)
    return asked if variables else asked.value({})


def _said(value: ValueNode) -> int | None:
    if isinstance(value, IntValueNode):
        return _size(int(value.value))
    return _size(list(value.values)) if isinstance(value, ListValueNode) else None


def _add(price: Price, more: Price) -> None:
    for sizes, times in more.items():
        if times:
            price[sizes] = price.get(sizes, 0) + times


def _times(price: Price, size: int | Asked) -> Price:
    if isinstance(size, int):
        return {sizes: times * size for sizes, times in price.items()}
    return {(*sizes, size): times for sizes, times in price.items()}

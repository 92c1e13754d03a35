"""Makes the plan of an operation; raises Unsupported for what the engine does not compile."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    get_argument_values,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.executor import to_nodes
from graphql.execution.values import VariableValues
from graphql.type.directives import GraphQLDisableErrorPropagationDirective

from mypost.engine.declare import Load, Paged, Rows, Table
from mypost.engine.fetch import Fetch, Resolver, declared_of, fetch_of, is_trusted
from mypost.engine.leaves import Leaf, leaf_of
from mypost.engine.plan import Field, Kind, Plan, Selection, Shape
from mypost.engine.pushdown import push

MAX_FIELDS = 4000
TYPENAME = "__typename"
IMMUTABLE = (str, int, float, bool, type(None), Enum)


class Unsupported(Exception):
    """The engine does not compile this; the message says what."""


def plan(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: VariableValues,
    *,
    by_value: bool = False,
    pushes: bool = True,
) -> Plan:
    """Plans an operation for the given values of the variables its conditions look at.

    `by_value` spells enums by their stored value, as REST does. Raises Unsupported.
    """
    fragments = {
        d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
    }
    _check(operation, fragments)
    root = schema.get_root_type(operation.operation)
    if root is None:
        raise Unsupported(f"the schema has no {operation.operation.value}")
    planner = Planner(schema, operation, fragments, variables, by_value, pushes)
    selection = planner.root(root)
    pushed = tuple({f.json for s in planner.selections for f in s.branches if f.json is not None})
    return Plan(schema, operation, fragments, selection, planner.selections, pushed)


def _check(
    operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]
) -> None:
    for directive in operation.directives or ():
        if directive.name.value == GraphQLDisableErrorPropagationDirective.name:
            raise Unsupported("errors that do not propagate")
    if any(fragment.variable_definitions for fragment in fragments.values()):
        raise Unsupported("fragments with variables of their own")


@dataclass(slots=True)
class Planner:
    """Walks an operation along the schema."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    variables: VariableValues
    by_value: bool
    pushes: bool
    selections: list[Selection] = field(default_factory=list)
    details: dict[str, FragmentDetails] = field(init=False)
    leaves: dict[tuple[GraphQLLeafType, bool], Leaf] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.details = {name: FragmentDetails(d) for name, d in self.fragments.items()}

    def root(self, type_: GraphQLObjectType) -> Selection:
        """Plans the operation's own fields."""
        asked = collect_fields(
            self.schema, self.details, self.variables, type_, self.operation, hide_suggestions=True
        )
        return self._selection(type_, asked.grouped_field_set)

    def _beneath(self, type_: GraphQLObjectType, details: FieldDetailsList) -> Selection:
        asked = collect_subfields(
            self.schema, self.details, self.variables, self.operation, type_, details,
            hide_suggestions=True,
        )  # fmt: skip
        return self._selection(type_, asked.grouped_field_set)

    def _selection(self, type_: GraphQLObjectType, asked: GroupedFieldSet) -> Selection:
        fields: list[Field | str] = []
        for rank, (key, details) in enumerate(asked.items()):
            self.count += 1
            if self.count > MAX_FIELDS:
                raise Unsupported(f"more than {MAX_FIELDS} fields")
            if details[0].node.name.value == TYPENAME:
                fields.append(key)
            else:
                fields.append(self._field(type_, rank, key, details))
        branches = [f for f in fields if isinstance(f, Field) and not f.inline]
        selection = Selection(type_, fields, branches, any(f.waits for f in branches))
        self.selections.append(selection)
        return selection

    def _field(
        self, parent: GraphQLObjectType, rank: int, key: str, details: FieldDetailsList
    ) -> Field:
        nodes = to_nodes(details)
        name = nodes[0].name.value
        definition = self.schema.get_field(parent, name)
        if definition is None:
            raise Unsupported(f"{parent.name} has no field {name}")
        fetch = fetch_of(definition)
        shape = self._shape(definition.type, details, trusted=is_trusted(definition))
        constant = self._constant(definition, fetch, nodes[0])
        json = self._json(definition, shape)
        return Field(
            key, rank, name, parent, definition, details, nodes, fetch, shape, constant, json
        )

    def _json(self, definition: GraphQLField, shape: Shape) -> str | None:
        """The SQL by which a field's rows come as their JSON, if they can."""
        declared, rows = declared_of(definition), []
        if not self.pushes:
            return None
        if isinstance(declared, Load) and declared.relation is not None:
            table: Table = declared.relation
            rows = _objects(shape)
        elif isinstance(declared, Paged):
            table = declared.table
            rows = [row for page in _objects(shape) for row in _rows(page)]
        if len(rows) != 1 or (json := push(rows[0], table)) is None:
            return None
        rows[0].pushed = True
        return json

    def _shape(
        self, type_: GraphQLOutputType, details: FieldDetailsList, *, trusted: bool
    ) -> Shape:
        nullable = not is_non_null_type(type_)
        inner: Any = type_ if nullable else type_.of_type  # type: ignore[union-attr]
        if is_list_type(inner):
            of = self._shape(inner.of_type, details, trusted=trusted)
            return Shape(Kind.LIST, nullable, inner, of.waits, of=of)
        if is_leaf_type(inner):
            return Shape(Kind.LEAF, nullable, inner, leaf=self._leaf(inner, nullable=nullable))
        abstract = is_abstract_type(inner)
        types = self.schema.get_possible_types(inner) if abstract else [inner]
        selections = {each.name: self._beneath(each, details) for each in types}
        waits = abstract or any(s.waits for s in selections.values())
        kind = Kind.ABSTRACT if abstract else Kind.OBJECT
        return Shape(kind, nullable, inner, waits, selections=selections, trusted=trusted)

    def _constant(
        self, definition: GraphQLField, fetch: Fetch, node: FieldNode
    ) -> dict[str, Any] | None:
        """The arguments when every call gets the same, immutable ones; else None."""
        if not definition.args:
            return {}
        if any(_varies(argument.value) for argument in node.arguments or ()):
            return None
        try:
            arguments = get_argument_values(definition, node)
            if isinstance(fetch, Resolver):
                arguments = fetch.convert(self.schema, arguments, None)
        except Exception:  # noqa: BLE001 - told where the call is made
            return None
        return arguments if all(isinstance(v, IMMUTABLE) for v in arguments.values()) else None

    def _leaf(self, type_: GraphQLLeafType, *, nullable: bool) -> Leaf:
        key = (type_, nullable)
        if key not in self.leaves:
            self.leaves[key] = leaf_of(type_, nullable=nullable, by_value=self.by_value)
        return self.leaves[key]


def _objects(shape: Shape) -> list[Selection]:
    """The selection of a field's objects; none when their type is not known."""
    inner = shape.of or shape
    return list(inner.selections.values()) if inner.kind is Kind.OBJECT else []


def _rows(selection: Selection) -> list[Selection]:
    """The selections of the rows of a page, wherever beneath it they are asked for."""
    found = []
    for asked in selection.fields:
        if isinstance(asked, Field):
            beneath = _objects(asked.shape)
            rows = isinstance(declared_of(asked.definition), Rows)
            found += beneath if rows else [row for each in beneath for row in _rows(each)]
    return found


def _varies(value: ValueNode) -> bool:
    if isinstance(value, ListValueNode):
        return any(_varies(item) for item in value.values)
    if isinstance(value, ObjectValueNode):
        return any(_varies(each.value) for each in value.fields)
    return isinstance(value, VariableNode)

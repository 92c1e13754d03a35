"""How many rows a document could ask for: nested lists multiply, and that is refused beforehand."""

from collections.abc import Mapping

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
)

MAX_ROWS = 20_000
MAX_PAGE = 100
DEFAULT_PAGE = 50


def weigh(schema: GraphQLSchema, document: DocumentNode) -> int:
    """Answers how many rows a valid document could ask for; raises GraphQLError above 20,000."""
    most = 0
    fragments = {
        d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
    }
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            root = schema.get_root_type(operation.operation)
            scale = _Scale(schema, fragments)
            scale.visit(operation.selection_set, root, 1)
            most = max(most, scale.rows)
    return most


class _Scale:
    """Adds up the rows of every page, each multiplied by the pages around it."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]
    ) -> None:
        self.schema = schema
        self.fragments = fragments
        self.rows = 0

    def visit(self, selected: SelectionSetNode, on: GraphQLNamedType | None, times: int) -> None:
        for node in selected.selections:
            if isinstance(node, FieldNode):
                self._field(node, on, times)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                condition = self.schema.get_type(fragment.type_condition.name.value)
                self.visit(fragment.selection_set, condition, times)
            elif isinstance(node, InlineFragmentNode):
                named = node.type_condition
                inner = self.schema.get_type(named.name.value) if named else on
                self.visit(node.selection_set, inner, times)

    def _field(self, node: FieldNode, on: GraphQLNamedType | None, times: int) -> None:
        if node.selection_set is None:
            return
        if not isinstance(on, GraphQLObjectType | GraphQLInterfaceType):
            return
        field = on.fields.get(node.name.value)
        if field is None:
            return
        page = _page(node, field)
        if page is not None:
            times *= page
            self.rows += times
            if self.rows > MAX_ROWS:
                raise GraphQLError(f"More than {MAX_ROWS} rows are too many; ask for less", node)
        self.visit(node.selection_set, get_named_type(field.type), times)


def _page(node: FieldNode, field: GraphQLField) -> int | None:
    """The rows a field's page may hold; None when it does not page."""
    if "first" not in field.args:
        return None
    for argument in node.arguments or ():
        if argument.name.value in ("first", "last"):
            if isinstance(argument.value, IntValueNode):
                return max(1, min(int(argument.value.value), MAX_PAGE))
            return MAX_PAGE
    return DEFAULT_PAGE

"""The variables of an operation: coerced by graphql-core, or at once where nothing can be wrong."""

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLInt,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    get_variable_values,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValues, VariableValueSource

MAX_ERRORS = 50
MAX_INT = 2**31 - 1


def _is_text(value: Any) -> bool:
    return value.__class__ is str


# Values that coercion answers as they are; whatever else is given is coerced by graphql-core.
PLAIN: dict[Any, Callable[[Any], bool]] = {
    GraphQLID: _is_text,
    GraphQLString: _is_text,
    GraphQLBoolean: lambda value: value.__class__ is bool,
    GraphQLInt: lambda value: value.__class__ is int and -MAX_INT <= value <= MAX_INT,
}


class Variables:
    """The variables that one operation declares."""

    __slots__ = ("_known", "operation", "schema")

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self.schema = schema
        self.operation = operation
        self._known = self._signatures()

    def coerce(self, given: dict[str, Any] | None) -> VariableValues | list[GraphQLError]:
        """Answers the coerced variables, or what is wrong with them."""
        return self._at_once(given or {}) or get_variable_values(
            self.schema,
            self.operation.variable_definitions or (),
            given or {},
            MAX_ERRORS,
            hide_suggestions=True,
        )

    def _signatures(self) -> list[tuple[GraphQLVariableSignature, Any, bool]] | None:
        """What is declared, its named type and whether it may be left out; None with defaults."""
        found = []
        for node in self.operation.variable_definitions or ():
            signature = get_variable_signature(self.schema, node)
            if isinstance(signature, GraphQLError) or node.default_value is not None:
                return None
            required = is_non_null_type(signature.type)
            inner: Any = signature.type.of_type if required else signature.type  # type: ignore[union-attr]
            found.append((signature, inner, not required))
        return found

    def _at_once(self, given: dict[str, Any]) -> VariableValues | None:
        if self._known is None:
            return None
        sources, coerced = {}, {}
        for signature, type_, optional in self._known:
            name = signature.name
            if name not in given:
                if not optional:
                    return None
                sources[name] = VariableValueSource(signature)
                continue
            value = given[name]
            plain = PLAIN.get(type_)
            if not (optional and value is None) and (plain is None or not plain(value)):
                return None
            sources[name] = VariableValueSource(signature, value)
            coerced[name] = value
        return VariableValues(sources, coerced)

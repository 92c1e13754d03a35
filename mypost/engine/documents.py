"""Documents, parsed and validated once per text.

The cache is keyed by the text itself: hashing a syntax tree costs more than a small query.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    parse,
    validate,
)
from graphql.execution.values import VariableValues

from mypost.engine.compiled import Compiled
from mypost.engine.compiling import MANY_VALUES, Compiler
from mypost.engine.plan import Plan
from mypost.engine.weight import weigh

MAX_TOKENS = 2000
MAX_DEPTH = 15
MAX_ALIASES = 50
MAX_ROOT_FIELDS = 20
MAX_MUTATIONS = 5
MAX_SELECTIONS = 5000
MAX_CACHED = 1000
MAX_CACHED_BYTES = 8 * 1024 * 1024
MAX_ERRORS = 20


@dataclass(slots=True)
class Prepared:
    """A document ready to run, or the reasons why it cannot."""

    text: str
    document: DocumentNode | None
    errors: list[GraphQLError]
    compiler: Compiler
    rows: int = 0  # how many rows it could ask for
    sights: int = 0
    _compiled: dict[int, Compiled | None] = field(default_factory=dict)

    def plan(self, operation: OperationDefinitionNode, values: VariableValues) -> Plan | None:
        """Answers the plan of one operation; None when graphql-core is to run it."""
        assert self.document is not None  # noqa: S101 - the operation is from it
        key = id(operation)
        if key not in self._compiled:
            self._compiled[key] = self.compiler.compiled(self.document, operation)
        compiled = self._compiled[key]
        if compiled is None:
            return None
        worth = self.sights > 1 or self.rows >= MANY_VALUES
        return self.compiler.plan(compiled, values, worth=worth)

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Chooses the operation to run (GraphQL §6.1); raises GraphQLError."""
        assert self.document is not None  # noqa: S101 - callers look at errors first
        every = [d for d in self.document.definitions if isinstance(d, OperationDefinitionNode)]
        if name is None:
            if len(every) != 1:
                raise GraphQLError("Name one of the operations in operationName")
            return every[0]
        for operation in every:
            if operation.name and operation.name.value == name:
                return operation
        raise GraphQLError(f"There is no operation named {name}")


class Documents:
    """Parses, limits and validates documents, remembering the outcome by text."""

    def __init__(self, schema: GraphQLSchema, *, compiles: bool = True) -> None:
        self.schema = schema
        self.compiler = Compiler(schema, enabled=compiles)
        self._cache: OrderedDict[str, Prepared] = OrderedDict()
        self._bytes = 0

    def get(self, text: str) -> Prepared:
        """Answers the prepared document of a text."""
        known = self._cache.get(text)
        if known is not None:
            self._cache.move_to_end(text)
            self.compiler.counts.hits += 1
            known.sights += 1
            return known
        self.compiler.counts.misses += 1
        prepared = self._prepare(text)
        prepared.sights = 1
        self._remember(prepared)
        return prepared

    @property
    def size(self) -> tuple[int, int]:
        """How many documents are held, and the length of their texts."""
        return len(self._cache), self._bytes

    def _remember(self, prepared: Prepared) -> None:
        self._cache[prepared.text] = prepared
        self._bytes += len(prepared.text)
        while len(self._cache) > MAX_CACHED or self._bytes > MAX_CACHED_BYTES:
            _, gone = self._cache.popitem(last=False)
            self._bytes -= len(gone.text)

    def _prepare(self, text: str) -> Prepared:
        try:
            document = parse(text, max_tokens=MAX_TOKENS)
            check_limits(document)
            errors = validate(self.schema, document, None, MAX_ERRORS, hide_suggestions=True)
            rows = 0 if errors else weigh(self.schema, document)
        except GraphQLError as error:
            return Prepared(text, None, [error], self.compiler)
        except RecursionError:
            deep = GraphQLError("The document is nested too deeply")
            return Prepared(text, None, [deep], self.compiler)
        return Prepared(text, None if errors else document, errors, self.compiler, rows)


def check_limits(document: DocumentNode) -> None:
    """Refuses what is too deep or too wide, before validation spends time on it."""
    fragments = {
        d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
    }
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            mutation = operation.operation is OperationType.MUTATION
            roots = MAX_MUTATIONS if mutation else MAX_ROOT_FIELDS
            _Walk(fragments, roots).visit(operation.selection_set, 1, ())


class _Walk:
    """Counts depth, root fields and aliases as execution meets them: a fragment at every spread."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], most_roots: int) -> None:
        self.fragments = fragments
        self.most_roots = most_roots
        self.roots = self.aliases = self.selections = 0

    def visit(self, selected: SelectionSetNode, depth: int, path: tuple[str, ...]) -> None:
        if depth > MAX_DEPTH:
            raise GraphQLError(f"The document is deeper than {MAX_DEPTH} levels", selected)
        for node in selected.selections:
            self.selections += 1
            if self.selections > MAX_SELECTIONS:
                raise GraphQLError(f"More than {MAX_SELECTIONS} selections are too many", node)
            if isinstance(node, FieldNode):
                self._count(node, depth)
                inner: SelectionSetNode | None = node.selection_set
                if inner is not None:
                    self.visit(inner, depth + 1, path)
            elif hasattr(node, "selection_set"):
                self.visit(node.selection_set, depth, path)
            else:
                self._fragment(node.name.value, depth, path)  # type: ignore[attr-defined]

    def _count(self, node: FieldNode, depth: int) -> None:
        self.roots += depth == 1
        if self.roots > self.most_roots:
            raise GraphQLError(f"More than {self.most_roots} root fields are too many", node)
        self.aliases += node.alias is not None
        if self.aliases > MAX_ALIASES:
            raise GraphQLError(f"More than {MAX_ALIASES} aliases are too many", node)

    def _fragment(self, name: str, depth: int, path: tuple[str, ...]) -> None:
        # A cycle or an unknown name is validation's to report, with its place.
        if name in path or name not in self.fragments:
            return
        self.visit(self.fragments[name].selection_set, depth, (*path, name))

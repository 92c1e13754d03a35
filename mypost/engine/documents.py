"""Documents, parsed and validated once per text.

The cache is keyed by the text itself: hashing a syntax tree costs more than a small query.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
    validate,
)
from graphql.execution.values import VariableValues

from mypost.engine.bounds import MAX_TOKENS, check_bounds
from mypost.engine.compiled import Compiled
from mypost.engine.compiling import MANY_VALUES, Compiler
from mypost.engine.cost import Price, price_of, total
from mypost.engine.plan import Plan

MAX_CACHED = 1000
MAX_CACHED_BYTES = 32 * 1024 * 1024
# A syntax tree and a plan weigh many times their text (measured: `make figure ID=DOCS`).
BYTES_A_CHARACTER = 100
MAX_ERRORS = 20


@dataclass(slots=True)
class Ready:
    """One operation of a document: what it costs, and its plans."""

    operation: OperationDefinitionNode
    price: Price
    compiled: Compiled | None


@dataclass(slots=True)
class Prepared:
    """A document ready to run, or the reasons why it cannot."""

    text: str
    document: DocumentNode | None
    errors: list[GraphQLError]
    compiler: Compiler
    sights: int = 1
    _ready: dict[str | None, Ready] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        """About how many bytes are kept for it."""
        return len(self.text) * (BYTES_A_CHARACTER if self.document else 1)

    def operation(self, name: str | None) -> Ready:
        """Chooses the operation to run (GraphQL §6.1); raises GraphQLError."""
        known = self._ready.get(name)
        if known is None:
            known = self._ready[name] = self._choose(name)
        return known

    def plan(self, ready: Ready, values: VariableValues, cost: int) -> Plan | None:
        """Answers the plan of one operation; None when graphql-core is to run it."""
        if ready.compiled is None:
            return None
        worth = self.sights > 1 or cost >= MANY_VALUES
        return self.compiler.plan(ready.compiled, values, worth=worth)

    def _choose(self, name: str | None) -> Ready:
        assert self.document is not None  # noqa: S101 - callers look at errors first
        definitions = self.document.definitions
        every = [d for d in definitions if isinstance(d, OperationDefinitionNode)]
        if name is None and len(every) != 1:
            raise GraphQLError("Name one of the operations in operationName")
        chosen = [d for d in every if name is None or (d.name and d.name.value == name)]
        if not chosen:
            raise GraphQLError(f"There is no operation named {name}")
        fragments = {d.name.value: d for d in definitions if isinstance(d, FragmentDefinitionNode)}
        price = price_of(self.compiler.schema, chosen[0], fragments)
        return Ready(chosen[0], price, self.compiler.compiled(self.document, chosen[0]))


class Documents:
    """Parses, bounds and validates documents, remembering the outcome by text."""

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
        self._remember(prepared)
        return prepared

    @property
    def size(self) -> tuple[int, int]:
        """How many documents are held, and about how many bytes they take."""
        return len(self._cache), self._bytes

    def _remember(self, prepared: Prepared) -> None:
        self._cache[prepared.text] = prepared
        self._bytes += prepared.weight
        while len(self._cache) > MAX_CACHED or self._bytes > MAX_CACHED_BYTES:
            _, gone = self._cache.popitem(last=False)
            self._bytes -= gone.weight

    def _prepare(self, text: str) -> Prepared:
        try:
            document = parse(text, max_tokens=MAX_TOKENS)
            check_bounds(document)
            errors = validate(self.schema, document, None, MAX_ERRORS, hide_suggestions=True)
        except GraphQLError as error:
            return Prepared(text, None, [error], self.compiler)
        except RecursionError:
            deep = GraphQLError("The document is nested too deeply")
            return Prepared(text, None, [deep], self.compiler)
        return Prepared(text, None if errors else document, errors, self.compiler)


def cost_of(ready: Ready, values: VariableValues) -> int:
    """Answers what an operation costs for these variables."""
    return total(ready.price, values.coerced)

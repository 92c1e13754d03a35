"""Documents, parsed and validated once per text.

The cache is keyed by the text itself: hashing a syntax tree costs more than a small query. What
was seen once and what came back are kept apart, so that a flood of texts never seen again, refused
ones included, drives out none that is in use.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    validate,
)
from graphql.execution.values import VariableValues

from mypost.engine.bounds import RULES, read
from mypost.engine.cache import Cache
from mypost.engine.compiled import Compiled
from mypost.engine.compiling import MANY_VALUES, Compiler
from mypost.engine.cost import Price, price_of, total
from mypost.engine.plan import Plan
from mypost.engine.variables import Variables

MAX_KEPT, MAX_KEPT_BYTES = 1000, 48 * 1024 * 1024  # documents that came back
MAX_ONCE, MAX_ONCE_BYTES = 500, 16 * 1024 * 1024  # documents seen once, and refused ones
# What is held for each, at most (measured: `make figure ID=DOCS`).
BYTES_A_TOKEN = 650
BYTES_A_FIELD = 1500
BYTES_AN_ERROR = 1500
MAX_ERRORS = 10
MAX_MESSAGE = 500
ENTANGLED = "The document asks for the same fields too often, or spreads too many fragments at once"
DEEP = "The document is nested too deeply"


@dataclass(slots=True, eq=False)
class Ready:
    """One operation of a document: what it costs, and its plans."""

    operation: OperationDefinitionNode
    price: Price
    variables: Variables
    compiled: Compiled | None


@dataclass(slots=True)
class Prepared:
    """A document ready to run, or the reasons why it cannot."""

    text: str
    document: DocumentNode | None
    errors: list[GraphQLError]
    compiler: Compiler
    grown: Callable[["Prepared"], None] | None = None
    sights: int = 1
    tokens: int = 0
    _ready: dict[str | None, Ready] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        """How many bytes are kept for it, at most."""
        fields = sum(each.compiled.fields for each in set(self._ready.values()) if each.compiled)
        held = self.tokens * BYTES_A_TOKEN + fields * BYTES_A_FIELD
        # The values of tokens and of nodes are pieces of the text, each a copy.
        return 3 * sys.getsizeof(self.text) + held + len(self.errors) * BYTES_AN_ERROR

    @property
    def names(self) -> list[str | None]:
        """The names of its operations."""
        return [each.name.value if each.name else None for each in self._operations]

    @property
    def _operations(self) -> list[OperationDefinitionNode]:
        assert self.document is not None  # noqa: S101 - callers look at errors first
        return [d for d in self.document.definitions if isinstance(d, OperationDefinitionNode)]

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
        again, before = self.sights > 1, ready.compiled.fields
        worth = again or cost >= MANY_VALUES
        plan = self.compiler.plan(ready.compiled, values, worth=worth, again=again)
        if self.grown is not None and ready.compiled.fields != before:
            self.grown(self)
        return plan

    def _choose(self, name: str | None) -> Ready:
        assert self.document is not None  # noqa: S101 - callers look at errors first
        every = self._operations
        if name is None and len(every) != 1:
            raise GraphQLError("Name one of the operations in operationName")
        chosen = [d for d in every if name is None or (d.name and d.name.value == name)]
        if not chosen:
            raise GraphQLError(f"There is no operation named {name}")
        for known in self._ready.values():
            if known.operation is chosen[0]:
                return known
        definitions = self.document.definitions
        fragments = {d.name.value: d for d in definitions if isinstance(d, FragmentDefinitionNode)}
        price = price_of(self.compiler.schema, chosen[0], fragments)
        schema = self.compiler.schema
        variables = Variables(schema, chosen[0])
        return Ready(chosen[0], price, variables, self.compiler.compiled(self.document, chosen[0]))


class Documents:
    """Parses, bounds and validates documents, remembering the outcome by text."""

    def __init__(
        self, schema: GraphQLSchema, *, compiles: bool = True, pushes: bool = True
    ) -> None:
        self.schema = schema
        self.compiler = Compiler(schema, enabled=compiles, pushes=pushes)
        self._kept: Cache[Prepared] = Cache(MAX_KEPT, MAX_KEPT_BYTES)
        self._once: Cache[Prepared] = Cache(MAX_ONCE, MAX_ONCE_BYTES)

    def get(self, text: str) -> Prepared:
        """Answers the prepared document of a text."""
        known = self._kept.get(text) or self._once.get(text)
        if known is None:
            self.compiler.counts.misses += 1
            known = self.prepare(text)
            known.grown = self._weigh
            self._once.put(text, known, known.weight)
            return known
        self.compiler.counts.hits += 1
        known.sights += 1
        if known.sights == 2 and known.document is not None:  # noqa: PLR2004 - it came back
            self._once.pop(text)
            self._kept.put(text, known, known.weight)
        return known

    @property
    def size(self) -> tuple[int, int]:
        """How many documents are held, and how many bytes they take at most."""
        return len(self._kept) + len(self._once), self._kept.bytes + self._once.bytes

    def prepare(self, text: str) -> Prepared:
        """Prepares a document and does not remember it."""
        try:
            document = read(text)
            errors = validate(self.schema, document, RULES, MAX_ERRORS, hide_suggestions=True)
        except GraphQLError as error:
            return Prepared(text, None, [_light(error)], self.compiler)
        except RecursionError:
            return Prepared(text, None, [GraphQLError(DEEP)], self.compiler)
        if errors:
            return Prepared(text, None, [_light(error) for error in errors], self.compiler)
        return Prepared(text, document, [], self.compiler, tokens=_tokens(document))

    def _weigh(self, prepared: Prepared) -> None:
        """Weighs a document anew that has got a plan, if it is still held."""
        for cache in (self._kept, self._once):
            if cache.get(prepared.text) is prepared:
                cache.put(prepared.text, prepared, prepared.weight)


def _light(error: GraphQLError) -> GraphQLError:
    """The same error without the syntax tree and the frames that it came from."""
    message = ENTANGLED if error.message == "Validation aborted." else error.message
    if len(message) > MAX_MESSAGE:
        message = message[:MAX_MESSAGE] + "…"
    return GraphQLError(message, source=error.source, positions=error.positions)


def _tokens(document: DocumentNode) -> int:
    """How many tokens a document has; each is held as long as its tree."""
    count, token = 0, document.loc.start_token if document.loc else None
    while token is not None:
        count, token = count + 1, token.next
    return count


def cost_of(ready: Ready, values: VariableValues) -> int:
    """Answers what an operation costs for these variables."""
    return total(ready.price, values.coerced)

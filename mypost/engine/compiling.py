"""What is planned, and when: what asks for much at once, the rest when it comes back.

Interpreting costs about 20 µs a value, planning a millisecond or two a document: one that asks for
many values is cheaper planned even once. To write its Python costs as much again, and is worth it
when it comes back. Plans are bounded by a rate.
"""

import time
from collections.abc import Callable

import structlog
from graphql import DocumentNode, GraphQLSchema, OperationDefinitionNode
from graphql.execution.values import VariableValues

from mypost.engine.compiled import Compiled, Unsupported
from mypost.engine.counts import Counts
from mypost.engine.plan import Plan
from mypost.engine.source import compile_plan
from mypost.engine.traces import place_of

log = structlog.get_logger()
MANY_VALUES = 20
PER_SECOND = 100.0
BURST = 200.0
MAX_TEXTS = 200


class Compiler:
    """Makes plans for documents that are worth it, not faster than a rate."""

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        enabled: bool = True,
        pushes: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.schema = schema
        self.enabled = enabled
        self.pushes = pushes
        self.clock = clock
        self.counts = Counts()
        self._left = BURST
        self._at = clock()
        self._texts: dict[str, None] = {}  # the latest last

    def compiled(
        self, document: DocumentNode, operation: OperationDefinitionNode
    ) -> Compiled | None:
        """Answers the operation ready to be planned, or None when nothing is compiled."""
        if not self.enabled:
            return None
        return Compiled(self.schema, document, operation, pushes=self.pushes, writes=False)

    def plan(
        self, compiled: Compiled, values: VariableValues, *, worth: bool, again: bool = False
    ) -> Plan | None:
        """Answers the plan for these variables; None when graphql-core has to run them.

        A plan gets its Python `again`, when its document has come back.
        """
        known = compiled.known(values)
        if known is not None and (known.source or not again):
            return known
        if known is None and not (worth and self._may()):
            return None
        try:
            made = known or compiled.compile(values)
            if again:
                compile_plan(made)
        except Unsupported as error:
            self.counts.unsupported[str(error)] += 1
            log.debug("engine.unsupported", reason=str(error))
            return None
        except Exception as error:  # noqa: BLE001 - nothing has run yet: graphql-core may
            self.give_up(error)
            return None
        self.counts.plans += known is None
        return made

    def pushes_down(self, plan: Plan) -> bool:
        """Whether all SQL of a plan has been asked for before.

        PostgreSQL plans a new text on each connection: once is not worth it.
        """
        known = all(text in self._texts for text in plan.pushed)
        for text in plan.pushed:
            self._texts.pop(text, None)
            self._texts[text] = None
        while len(self._texts) > MAX_TEXTS:
            del self._texts[next(iter(self._texts))]
        return known

    def give_up(self, error: Exception) -> None:
        """Counts and logs a plan that failed for a reason of its own."""
        self.counts.given_up += 1
        log.error("engine.given_up", error=type(error).__name__, place=place_of(error))

    def _may(self) -> bool:
        now = self.clock()
        self._left = min(BURST, self._left + (now - self._at) * PER_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

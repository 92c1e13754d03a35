"""An operation of a document, compiled: one plan for each choice its conditions can make."""

from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLSchema,
    GraphQLSkipDirective,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.values import VariableValues
from graphql.language import DirectiveNode

from mypost.engine.plan import Plan
from mypost.engine.planner import Unsupported, plan
from mypost.engine.run import Run
from mypost.engine.source import compile_plan
from mypost.engine.variables import Variables

__all__ = ["Compiled", "Unsupported", "compile_operation"]

MAX_PLANS = 16


class _Conditions(Visitor):
    """Collects the variables that `@include` and `@skip` look at, and the fragments spread."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.spread: list[str] = []

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """Notes the variable of one directive."""
        if node.name.value in (GraphQLIncludeDirective.name, GraphQLSkipDirective.name):
            for argument in node.arguments or ():
                if isinstance(argument.value, VariableNode):
                    self.names.add(argument.value.name.value)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        """Notes the name of one fragment."""
        if node.name.value not in self.spread:
            self.spread.append(node.name.value)


def conditions_of(document: DocumentNode, operation: OperationDefinitionNode) -> tuple[str, ...]:
    """Answers the variables that decide what an operation asks for."""
    if document.loc is not None and "@" not in document.loc.source.body:
        return ()
    fragments = {
        d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
    }
    found = _Conditions()
    visit(operation, found)
    for name in found.spread:  # grows while it is walked
        visit(fragments[name], found)
    return tuple(sorted(found.names))


@dataclass(slots=True)
class Compiled:
    """One operation and its plans; raises Unsupported for what it does not compile."""

    schema: GraphQLSchema
    document: DocumentNode
    operation: OperationDefinitionNode
    by_value: bool = False
    pushes: bool = True
    writes: bool = True  # whether a plan gets its Python at once
    conditions: tuple[str, ...] = field(init=False)
    variables: Variables = field(init=False)
    plans: dict[tuple[Any, ...], Plan] = field(default_factory=dict)
    refused: dict[tuple[Any, ...], str] = field(default_factory=dict)  # and why
    fields: int = 0  # of all plans together: they weigh

    def __post_init__(self) -> None:
        self.conditions = conditions_of(self.document, self.operation)
        self.variables = Variables(self.schema, self.operation)

    def known(self, variables: VariableValues) -> Plan | None:
        """Answers the plan for these variables, if there is one."""
        return self.plans.get(self._choice(variables))

    def compile(self, variables: VariableValues) -> Plan:
        """Makes the plan for these variables. Raises Unsupported."""
        choice = self._choice(variables)
        if (reason := self.refused.get(choice)) is not None:
            raise Unsupported(reason)
        try:
            made = self._planned(choice, variables)
        except Unsupported as error:
            if len(self.refused) < MAX_PLANS:
                self.refused[choice] = str(error)
            raise
        if self.writes:
            compile_plan(made)
        self.plans[choice] = made
        self.fields += sum(len(each.fields) for each in made.selections)
        return made

    def _planned(self, choice: tuple[Any, ...], variables: VariableValues) -> Plan:
        if len(self.plans) >= MAX_PLANS:
            raise Unsupported(f"more than {MAX_PLANS} choices of conditions")
        if any(value.__class__ is not bool for value in choice):
            raise Unsupported("a condition without a value")
        try:
            return plan(
                self.schema, self.document, self.operation, variables,
                by_value=self.by_value, pushes=self.pushes,
            )  # fmt: skip
        except RecursionError:
            raise Unsupported("selections nested too deeply") from None

    def _choice(self, variables: VariableValues) -> tuple[Any, ...]:
        return tuple([variables.coerced.get(name) for name in self.conditions])

    async def run(
        self, variables: dict[str, Any] | None, context: Any, root: Any = None
    ) -> ExecutionResult:
        """Executes the operation; a request error has `data` None and no path."""
        values = self.variables.coerce(variables)
        if isinstance(values, list):
            return ExecutionResult(None, values)
        known = self.known(values) or self.compile(values)
        return await Run(known, values, context, root).answer()


def compile_operation(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation_name: str | None = None,
    *,
    by_value: bool = False,
    pushes: bool = True,
    writes: bool = True,
) -> Compiled:
    """Compiles one operation of a valid document. Raises Unsupported."""
    operations = [
        d
        for d in document.definitions
        if isinstance(d, OperationDefinitionNode)
        and (operation_name is None or (d.name and d.name.value == operation_name))
    ]
    if len(operations) != 1:
        raise Unsupported("one operation has to be chosen")
    compiled = Compiled(schema, document, operations[0], by_value, pushes, writes)
    if not compiled.conditions:
        # Arguments that vary are read at each call: the plan is the same whatever they are.
        compiled.compile(VariableValues({}, {}))
    return compiled

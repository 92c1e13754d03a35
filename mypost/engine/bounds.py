"""How long, deep, wide and entangled a document may be: what is over is refused at once.

Each limit keeps a later step cheap: reading, validating, weighing or planning a document costs
more than its length says, and the caller pays for none of it.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    OverlappingFieldsCanBeMergedRule,
    SelectionSetNode,
    ValidationContext,
    ValueNode,
    parse,
    specified_rules,
)
from graphql.language.visitor import EnterLeaveVisitor

MAX_CHARACTERS = 32 * 1024
MAX_TOKENS = 2000
MAX_COMMENTS = 500
MAX_OPERATIONS = 20
MAX_FRAGMENTS = 100
MAX_VARIABLES = 100
MAX_DIRECTIVES = 50
MAX_DEPTH = 15
MAX_ALIASES = 50
MAX_ROOT_FIELDS = 20
MAX_MUTATIONS = 5
MAX_SELECTIONS = 1500
MAX_VALUES = 150
# Steps of comparing fields that share a key; graphql-core's own limit is 500,000 (1.4 s, 41 MiB).
MAX_COMPARISONS = 6_000
# Values that introspection could answer, about; graphql-js's full query counts 15,100.
MAX_INTROSPECTED = 25_000
# How many values a field of introspection answers on average, where it is not one.
SIZES = {"types": 100, "directives": 8, "locations": 2, "fields": 4, "args": 0.5, "ofType": 0.6,
         "inputFields": 1, "enumValues": 1.5, "interfaces": 0.3, "possibleTypes": 6}  # fmt: skip
INTROSPECTION = ("__schema", "__type")
NEITHER = EnterLeaveVisitor(None, None)


class Merging(OverlappingFieldsCanBeMergedRule):
    """Whether fields of one key can be merged, found out in few steps or not at all."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = MAX_COMPARISONS


def _quick(rule: type[ASTValidationRule]) -> type[ASTValidationRule]:
    """The same rule, knowing what kinds of node it looks at: finding out costs a millisecond."""
    methods = {name for name in dir(rule) if name.startswith(("enter", "leave"))}
    if methods & {"enter", "leave"}:
        return rule
    kinds = {name.partition("_")[2] for name in methods}

    class Quick(rule):  # type: ignore[misc, valid-type]
        def get_enter_leave_for_kind(self, kind: str) -> EnterLeaveVisitor:
            return super().get_enter_leave_for_kind(kind) if kind in kinds else NEITHER

    Quick.__name__ = rule.__name__
    return Quick


# Directives that this schema does not have need no rules of their own.
RULES: list[type[ASTValidationRule]] = [
    _quick(Merging if rule is OverlappingFieldsCanBeMergedRule else rule)
    for rule in specified_rules
    if "Stream" not in rule.__name__
]


def read(text: str) -> DocumentNode:
    """Parses a document within the bounds; raises GraphQLError."""
    if len(text) > MAX_CHARACTERS:
        raise GraphQLError(
            f"The document is longer than {MAX_CHARACTERS} characters; send values as variables"
        )
    document = parse(text, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_COMMENTS)
    check_bounds(document)
    return document


def check_bounds(document: DocumentNode) -> None:
    """Refuses what is too deep or too wide, before validation spends time on it."""
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    fragments = [d for d in document.definitions if isinstance(d, FragmentDefinitionNode)]
    variables = sum(len(each.variable_definitions or ()) for each in operations)
    _most(len(operations), MAX_OPERATIONS, "operations")
    _most(len(fragments), MAX_FRAGMENTS, "fragments")
    _most(variables, MAX_VARIABLES, "variables")
    walk = _Walk({each.name.value: each for each in fragments})
    for operation in operations:
        walk.operation(operation)
    walk.rest()


def _most(count: int, most: int, what: str) -> None:
    if count > most:
        raise GraphQLError(f"More than {most:,} {what} are too many")


class _Walk:
    """Counts what execution would meet: a fragment counts at every spread."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.fragments = fragments
        self.counts: defaultdict[str, float] = defaultdict(float)
        self.seen: set[str] = set()
        for fragment in fragments.values():
            self._directives(fragment)

    def operation(self, operation: OperationDefinitionNode) -> None:
        """Counts one operation; raises GraphQLError when it asks for too much."""
        self._directives(operation)
        for variable in operation.variable_definitions or ():
            self._directives(variable)
            _literal(variable.default_value)
        # Only one operation of a document runs; what it may ask for is its own.
        for what in ("root fields", "mutations", "introspected values", "aliases"):
            self.counts[what] = 0
        root = "mutations" if operation.operation is OperationType.MUTATION else "root fields"
        self._visit(operation.selection_set, 1, (), root, 0)

    def rest(self) -> None:
        """Counts the fragments that no operation spreads: validation reads them all the same."""
        for name, fragment in self.fragments.items():
            if name not in self.seen:
                self._visit(fragment.selection_set, 2, (name,), "", 0)

    def _visit(
        self, selected: SelectionSetNode, depth: int, path: tuple[str, ...], root: str, times: float
    ) -> None:
        """Counts a selection; `times` is how often introspection would answer it."""
        if depth > MAX_DEPTH:
            raise GraphQLError(f"The document is deeper than {MAX_DEPTH} levels", selected)
        for node in selected.selections:
            self._count("selections", MAX_SELECTIONS)
            self._directives(node)
            if isinstance(node, FieldNode):
                within = self._field(node, depth, root, times)
                if node.selection_set is not None:
                    self._visit(node.selection_set, depth + 1, path, root, within)
            elif not isinstance(node, FragmentSpreadNode):
                self._visit(node.selection_set, depth, path, root, times)  # type: ignore[attr-defined]
            # A cycle or an unknown name is validation's to report, with its place.
            elif (name := node.name.value) in self.fragments and name not in path:
                self.seen.add(name)
                inner = self.fragments[name].selection_set
                self._visit(inner, depth, (*path, name), root, times)

    def _field(self, node: FieldNode, depth: int, root: str, times: float) -> float:
        """Counts a field and answers how often introspection would answer what is beneath."""
        name = node.name.value
        if depth == 1:
            self._count(root, MAX_MUTATIONS if root == "mutations" else MAX_ROOT_FIELDS)
            times = 1 if name in INTROSPECTION else 0
        if node.alias is not None:
            self._count("aliases", MAX_ALIASES)
        for argument in node.arguments or ():
            _literal(argument.value)
        if times:
            times *= SIZES.get(name, 1)
            self._count("introspected values", MAX_INTROSPECTED, times)
        return times

    def _directives(self, node: Any) -> None:
        for directive in node.directives or ():
            self._count("directives", MAX_DIRECTIVES)
            for argument in directive.arguments or ():
                _literal(argument.value)

    def _count(self, what: str, most: int, more: float = 1) -> None:
        self.counts[what] += more
        if self.counts[what] > most:
            raise GraphQLError(f"More than {most:,} {what} are too many")


def _literal(value: ValueNode | None) -> None:
    """Refuses a literal of many values: validation spells it out with each fault in it."""
    values, count = [value], 0
    while values:
        count += 1
        _most(count, MAX_VALUES, "values in one literal")
        value = values.pop()
        if isinstance(value, ListValueNode):
            values += value.values
        elif isinstance(value, ObjectValueNode):
            values += [field.value for field in value.fields]

"""Makes a document smaller as long as it still shows what is wrong."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from graphql import (
    REMOVE,
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    Node,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    validate,
    visit,
)

from tests.engine.generate import Case

MOST_TRIES = 300
PARTS = (FieldNode, InlineFragmentNode, FragmentSpreadNode, DirectiveNode, ArgumentNode)


class Empty(Exception):
    """Nothing is left of a selection."""


class _Without(Visitor):
    """Takes away the n-th part of a document."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left = number

    def enter(self, node: Node, *_: Any) -> Any:
        if isinstance(node, PARTS):
            self.left -= 1
            if self.left == -1:
                return REMOVE
        return None

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> None:
        if not node.selections:
            raise Empty


class _Names(Visitor):
    """Collects the fragments and variables that are used."""

    def __init__(self) -> None:
        super().__init__()
        self.fragments: set[str] = set()
        self.variables: set[str] = set()

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.fragments.add(node.name.value)

    def enter_variable(self, node: VariableNode, _key: Any, parent: Any, *_: Any) -> None:
        if not hasattr(parent, "default_value"):
            self.variables.add(node.name.value)


class _Unwrapped(Visitor):
    """Puts the fields of the n-th inline fragment in its place."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left = number

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> Any:
        for index, each in enumerate(node.selections):
            if isinstance(each, InlineFragmentNode):
                self.left -= 1
                if self.left == -1:
                    inner = each.selection_set.selections
                    rest = node.selections
                    return SelectionSetNode(selections=(*rest[:index], *inner, *rest[index + 1 :]))
        return None


class _Tidy(Visitor):
    """Takes away fragments and variables that nothing uses any more."""

    def __init__(self, names: _Names) -> None:
        super().__init__()
        self.names = names

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> Any:
        return None if node.name.value in self.names.fragments else REMOVE

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> Any:
        return None if node.variable.name.value in self.names.variables else REMOVE


def tidy(document: DocumentNode) -> DocumentNode:
    """A document without what nothing uses any more."""
    names = _Names()
    visit(document, names)
    return visit(document, _Tidy(names))


def _smaller(case: Case, visitor: Visitor) -> Case | None:
    """The case without a part, if its document is still valid."""
    try:
        text = print_ast(tidy(visit(case.document, visitor)))
    except Empty:
        return None
    document = parse(text)
    if text == print_ast(case.document) or validate(case.schema, document):
        return None
    return replace(case, document=document, asked=replace(case.asked, text=text))


async def shrunk(case: Case, wrong: Callable[[Case], Awaitable[object]]) -> Case:
    """A smaller case that is still wrong."""
    tries = 0
    number = 0
    while tries < MOST_TRIES:
        found = False
        for kind in (_Without, _Unwrapped):
            less = _smaller(case, kind(number))
            tries += 1
            if less is not None and await wrong(less):
                case, found = less, True
                break
        if not found:
            number += 1
            if number > len(print_ast(case.document).split()):
                break
    return case

"""How deep and how wide a document may be: looked at right after parsing, before anything else."""

from collections.abc import Mapping

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

MAX_TOKENS = 2000
MAX_DEPTH = 15
MAX_ALIASES = 50
MAX_ROOT_FIELDS = 20
MAX_MUTATIONS = 5
MAX_SELECTIONS = 5000


def check_bounds(document: DocumentNode) -> None:
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

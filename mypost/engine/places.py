"""Where a value stands in the answer: kept as a recipe, spelled only when an error needs it.

A batch of values has one `Place`; the path of its i-th value is worked out on demand.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import FieldNode, GraphQLError, located_error
from graphql.pyutils import Path

if TYPE_CHECKING:
    from mypost.engine.plan import Field


class Step(NamedTuple):
    """One step of a path: its rank among its siblings, its key, whether null may stand there."""

    rank: int
    key: str | int
    nullable: bool
    type_name: str | None


class Place:
    """Where the values of a batch stand; this one is the root."""

    __slots__ = ()

    def steps(self, index: int) -> list[Step]:
        """Answers the way from the root to the value at `index`."""
        del index
        return []

    def path(self, index: int) -> Path | None:
        """Answers the same way as graphql-core spells it."""
        path: Path | None = None
        for step in self.steps(index):
            path = Path(path, step.key, step.type_name)
        return path


class Under(Place):
    """The values of one field, one for each parent."""

    __slots__ = ("field", "parent")

    def __init__(self, parent: Place, field: "Field") -> None:
        self.parent = parent
        self.field = field

    def steps(self, index: int) -> list[Step]:
        """Answers the parent's way and the field's key."""
        field = self.field
        last = Step(field.rank, field.key, field.shape.nullable, field.parent.name)
        return [*self.parent.steps(index), last]


class Items(Place):
    """The items of many lists in one row."""

    __slots__ = ("ends", "lists", "nullable", "parent")

    def __init__(self, parent: Place, lists: Sequence[Sequence[Any]], *, nullable: bool) -> None:
        self.parent = parent
        self.lists = lists
        self.nullable = nullable
        self.ends: list[int] | None = None

    def steps(self, index: int) -> list[Step]:
        """Answers the list's way and the position in it."""
        if self.ends is None:
            self.ends = list(accumulate(len(items) for items in self.lists))
        ends, owner = self.ends, bisect_right(self.ends, index)
        position = index - (ends[owner - 1] if owner else 0)
        last = Step(position, position, self.nullable, None)
        return [*self.parent.steps(owner), last]


class Some(Place):
    """A part of a batch."""

    __slots__ = ("chosen", "parent")

    def __init__(self, parent: Place, chosen: Sequence[int]) -> None:
        self.parent = parent
        self.chosen = chosen

    def steps(self, index: int) -> list[Step]:
        """Answers the way of the value that was chosen."""
        return self.parent.steps(self.chosen[index])


@dataclass(frozen=True, slots=True)
class Fault:
    """An error met while a value was completed.

    `after` is how many items of a list had been read when reading on failed.
    """

    error: Exception
    nodes: list[FieldNode]
    place: Place
    index: int
    after: int | None = None


def told(faults: Iterable[Fault]) -> list[GraphQLError]:
    """Answers the errors a depth-first execution reports, in the order of the document.

    An error empties the nearest place that may be null; what comes later beneath it is not told.
    https://spec.graphql.org/September2025/#sec-Handling-Execution-Errors
    """
    found = []
    for fault in faults:
        steps = fault.place.steps(fault.index)
        rank = [step.rank for step in steps]
        found.append((rank if fault.after is None else [*rank, fault.after], steps, fault))
    found.sort(key=lambda each: each[0])
    errors: list[GraphQLError] = []
    emptied: set[tuple[str | int, ...]] = set()
    for _, steps, fault in found:
        keys = tuple(step.key for step in steps)
        if any(keys[:length] in emptied for length in range(len(keys) + 1)):
            continue
        emptied.add(keys[: _emptied(steps)])
        errors.append(located_error(fault.error, fault.nodes, list(keys)))
    return errors


def _emptied(steps: Sequence[Step]) -> int:
    """How long the way is to the nearest place that may be null."""
    length = len(steps)
    while length and not steps[length - 1].nullable:
        length -= 1
    return length

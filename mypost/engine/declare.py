"""What a schema says to the engine: plain records, found in a field's metadata under `ENGINE`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Rows:
    """A field whose values are rows of its type by construction: they are not asked."""


@dataclass(frozen=True, slots=True)
class Load:
    """A field whose values are read for a whole batch of parents at once.

    `load(context, parents)` answers one value for each parent, in their order; a value may be an
    exception. The values are rows of the field's type: they are not asked whether they are.
    """

    load: Callable[[Any, Sequence[Any]], Awaitable[list[Any]]]

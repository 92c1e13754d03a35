"""The world of `library.py`: rows with attributes, as a database's driver would bring them."""

from collections.abc import Sequence
from typing import Any

from graphql import GraphQLList, GraphQLNonNull
from strawberry.utils.str_converters import to_camel_case

from tests.engine.dice import Dice
from tests.engine.later import AGAIN, SYNC_AGAIN, Plain, Raised, Streams
from tests.engine.world import COMPUTED, RESOLVER, Call, Node, World, call

ROWS = ("editors", "sequel")


class Shelf(World):
    """A world whose objects have attributes only; each is worked out once and kept.

    Two aliases read the same attribute, so what it holds can be waited for or read twice.
    """

    objects = (Node, Node)
    ways = AGAIN
    lists = SYNC_AGAIN
    streams = (Streams,)
    breaking = Plain

    def root(self, name: str) -> Any:
        """There is no root value: root fields have resolvers."""
        return None

    def type_name(self, value: Any) -> str:
        """The type of an object, for the predicates of types."""
        return self.identity(value)[0]

    def plainly(self, source: Any, name: str) -> Any:
        """What an attribute holds."""
        spelled = {"next": "sequel"}.get(name) or to_camel_case(name)
        type_name, seed, depth = self.identity(source)
        dice = self._dice(seed, spelled, "plain")
        if dice.chance(self.faults / 2):
            self.met["raised by attribute"] += 1
            raise self._error(dice)
        if spelled in ROWS:
            value = self._row(source, spelled)
        else:
            value = self._later(self._field(type_name, seed, depth, spelled), seed, spelled)
        source.__dict__[name] = value
        return value

    def resolved(self, source: Any, info: Any, arguments: dict[str, Any]) -> Any:
        """What a resolver with info answers."""
        raw = info._raw_info
        told = f"{arguments!r} {[each.name for each in info.selected_fields]}"
        self.calls.append(call(raw, RESOLVER, told))
        return self._answer(source, raw.field_name, raw.parent_type.name)

    def computed(self, source: Any, name: str) -> Any:
        """What a resolver without info answers."""
        self.met["computed"] += 1
        self.calls.append(Call((), COMPUTED, f"{self.identity(source)} {name}", "", 1))
        return self._answer(source, name, "")

    def _answer(self, source: Any, name: str, parent: str) -> Any:
        type_name, seed, depth = self.identity(source, parent)
        dice = self._dice(seed, name, "call")
        if dice.chance(self.faults):
            self.met["raised"] += 1
            return self._later(Raised(self._error(dice)), seed, name)
        return self._later(self._field(type_name, seed, depth, name), seed, name)

    def allows(self, source: Any, name: str) -> bool:
        """Whether a permission is granted."""
        dice = self._dice(self.identity(source)[1], name, "permission")
        self.met["refused"] += (refused := dice.chance(25))
        return not refused

    def loaded(self, parents: Sequence[Any], name: str, *, alone: bool = False) -> Any:
        """What a declared load reads: rows, or errors in their place; it may fail as a whole."""
        dice = self._dice(self.seed, name, "load")
        if dice.chance(self.faults):
            self.met["load failed"] += 1
            error = self._error(dice)
            return self._later(Raised(error), self.seed, name) if alone else _fail(error)
        self.met["loaded"] += 1
        values = [self._row(parent, name) for parent in parents]
        return self._later(values[0], self.identity(parents[0])[1], name) if alone else values

    def _row(self, parent: Any, name: str) -> Any:
        type_name, seed, depth = self.identity(parent)
        type_: Any = self.schema.type_map.get(type_name)
        dice = self._dice(seed, name, "row")
        if type_ is None or name not in type_.fields:
            return None
        return self._trusted(type_.fields[name].type, dice, depth)

    def _trusted(self, type_: Any, dice: Dice, depth: int) -> Any:
        """A value that is of its type, absent, or an error."""
        if dice.chance(self.faults):
            return dice.pick([None, self._error(dice)])
        if not isinstance(type_, GraphQLNonNull):
            return None if dice.chance(10) else self._sound(type_, dice, depth)
        return self._sound(type_.of_type, dice, depth)

    def _sound(self, type_: Any, dice: Dice, depth: int) -> Any:
        if isinstance(type_, GraphQLList):
            count = dice.upto(max(1, 4 - depth))
            return [self._trusted(type_.of_type, dice, depth) for _ in range(count)]
        return self._plain_value(type_, dice, depth)


def _fail(error: Exception) -> Any:
    raise error

"""What the fields of a generated schema answer: a tree that has no end, read as far as asked.

Every choice follows from the seed of an object and the name of its field, never from the order in
which things are asked: the synchronous, the asynchronous and the mixed world hold the same data
and the same faults.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple
from zlib import crc32

from graphql import (
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    is_leaf_type,
)

from tests.engine import leaves
from tests.engine.dice import Dice
from tests.engine.later import SYNC, WAYS, Raised, Stream, generator, stream


class Mode(Enum):
    """How a world answers."""

    SYNC = "sync"
    ASYNC = "async"
    MIXED = "mixed"


RESOLVER, COMPUTED = "resolver", "computed"
WAITS = {Mode.SYNC: 0, Mode.ASYNC: 100, Mode.MIXED: 35}
STREAMS = {Mode.SYNC: 0, Mode.ASYNC: 50, Mode.MIXED: 25}
SALT = {Mode.SYNC: 0, Mode.ASYNC: 1, Mode.MIXED: 2}


class Call(NamedTuple):
    """A call of a function of the schema."""

    path: tuple[str | int, ...]
    what: str
    detail: str
    where: str
    nodes: int


class Coded(Exception):
    """An error that knows more than its text."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.message = f"message of {said}"
        self.extensions = {"code": said.upper()}


ERRORS: list[Callable[[int], Exception]] = [
    lambda n: ValueError(f"broken {n}"),
    lambda n: GraphQLError(f"said {n}", extensions={"code": "SAID", "n": n}),
    lambda n: GraphQLError(f"elsewhere {n}", path=["own", n]),
    lambda n: GraphQLError("wrapped", original_error=KeyError(n), extensions={"deep": {"n": 1}}),
    lambda n: Coded(f"coded {n}"),
    KeyError,
]


class Node:
    """An object of the tree; its fields are attributes."""

    def __init__(self, world: "World", type_name: str, seed: int, depth: int) -> None:
        self._world = world
        self._type = type_name
        self._seed = seed
        self._depth = depth

    def __getattr__(self, name: str) -> Any:
        if name.endswith("__typename"):
            return self._world.typename(self)
        if name.startswith("_"):
            raise AttributeError(name)
        return self._world.plainly(self, name)


class Row(dict[str, Any]):
    """An object of the tree; its fields are items."""

    def __init__(self, world: "World", type_name: str, seed: int, depth: int) -> None:
        super().__init__()
        self._world = world
        self._type = type_name
        self._seed = seed
        self._depth = depth

    def get(self, name: str, default: Any = None) -> Any:
        if name == "__typename":
            return self._world.typename(self)
        return self._world.plainly(self, name)


class World:
    """The data and the faults of one execution, and what was asked of it."""

    objects: Sequence[Any] = (Row, Node)
    ways: Sequence[Any] = WAYS
    lists: Sequence[Any] = SYNC
    streams: Sequence[Any] = (stream, Stream)
    breaking: Any = staticmethod(generator)

    def __init__(self, schema: GraphQLSchema, seed: int, mode: Mode, faults: float) -> None:
        self.schema = schema
        self.seed = seed
        self.mode = mode
        self.faults = faults
        self.shared = ValueError("one for all")
        self.told: list[str] | None = None
        self.calls: list[Call] = []
        self.met: Counter[str] = Counter()

    def identity(self, source: Any, fallback: str = "") -> tuple[str, int, int]:
        """Type, seed and depth of an object; what is none has some all the same."""
        if isinstance(source, Node | Row):
            return source._type, source._seed, source._depth
        return fallback, self.seed, 1

    # What the schema's functions ask

    def root(self, name: str) -> Any:
        """The root value of an operation."""
        return (Row, Node)[self.seed & 1](self, name, self.seed, 0)

    def called(self, source: Any, info: Any, arguments: dict[str, Any]) -> Any:
        """What a resolver answers."""
        type_name, seed, depth = self.identity(source, info.parent_type.name)
        self.calls.append(call(info, RESOLVER, repr(arguments)))
        dice = self._dice(seed, info.field_name, "call")
        if dice.chance(self.faults):
            self.met["raised"] += 1
            return self._later(Raised(self._error(dice)), seed, info.field_name)
        value = self._field(type_name, seed, depth, info.field_name)
        if arguments and isinstance(value, str):
            value = f"{value} {arguments!r}"
        return self._later(value, seed, info.field_name)

    def plainly(self, source: Any, name: str) -> Any:
        """What an attribute or an item holds: a value, or a function that answers it."""
        type_name, seed, depth = self.identity(source)
        dice = self._dice(seed, name, "plain")
        how = dice.upto(100)
        if how >= 100 - self.faults / 2:
            self.met["raised by attribute"] += 1
            raise self._error(dice)
        if how < 10:
            return lambda info, **arguments: self.called(source, info, arguments)
        return self._later(self._field(type_name, seed, depth, name), seed, name)

    def typename(self, source: Any) -> str | None:
        """The name of its type that an object carries."""
        type_name, seed, _ = self.identity(source)
        dice = self._dice(seed, "__typename", "name")
        return self._type_name(dice, type_name) if dice.chance(60) else None

    def type_of(self, value: Any, info: Any, abstract: Any) -> Any:
        """What a type resolver answers."""
        type_name, seed, _ = self.identity(value)
        self.calls.append(call(info, "type resolver", abstract.name))
        dice = self._dice(seed, abstract.name, "type")
        if dice.chance(self.faults):
            self.met["type resolver raised"] += 1
            return self._later(Raised(self._error(dice)), seed, abstract.name)
        return self._later(self._type_name(dice, type_name) or None, seed, abstract.name)

    def is_type(self, value: Any, info: Any, name: str) -> Any:
        """What the predicate of an object type answers."""
        type_name, seed, _ = self.identity(value)
        self.calls.append(call(info, "predicate", name))
        # The same of all types: whether one more is asked depends on which of them wait.
        dice = self._dice(seed, "", "predicate")
        if dice.chance(self.faults):
            self.met["predicate raised"] += 1
            return self._later(Raised(self._error(dice)), seed, name)
        dice = self._dice(seed, name, "predicate")
        said: Any = type_name == name and not dice.chance(self.faults / 2)
        if dice.chance(20):
            said = ["truthy"] if said else ""
        return self._later(said, seed, name)

    # What they are told

    def _error(self, dice: Dice) -> Exception:
        """Any exception that a resolver may raise."""
        number = dice.upto(90)
        return self.shared if number < 10 else dice.pick(ERRORS)(number)

    def _type_name(self, dice: Dice, right: str) -> Any:
        if not dice.chance(self.faults):
            return right
        self.met["type misnamed"] += 1
        wrong = [None, "Nothing", "Named", "Colour", "Query", "Dog", 5, "", ValueError("a name")]
        return dice.pick(wrong)

    def _dice(self, seed: int, name: str, salt: str) -> Dice:
        return Dice(crc32(f"{name} {salt}".encode(), seed & 0xFFFFFFFF))

    def _later(self, value: Any, seed: int, name: str) -> Any:
        """The value, perhaps to be waited for."""
        dice = Dice(crc32(name.encode(), seed & 0xFFFFFFFF) + SALT[self.mode])
        if dice.chance(WAITS[self.mode]):
            self.met["awaitable"] += 1
            return dice.pick(self.ways)(value, dice.upto(4))
        if isinstance(value, Raised):
            raise value.error
        return value

    def _field(self, type_name: str, seed: int, depth: int, name: str) -> Any:
        type_: Any = self.schema.type_map.get(type_name)
        if not isinstance(type_, GraphQLObjectType) or name not in type_.fields:
            return None
        dice = self._dice(seed, name, "value")
        value = self._value(type_.fields[name].type, dice, depth)
        if self.told is not None:
            self.told.append(f"{type_name} {seed}.{name} = {_shown(value)}")
        return value

    def _value(self, type_: Any, dice: Dice, depth: int) -> Any:
        inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if dice.chance(self.faults):
            return self._fault(inner, dice, depth)
        if inner is type_ and dice.chance(8):
            return Undefined if dice.chance(10) else None
        if isinstance(inner, GraphQLList):
            return self._list(inner, dice, depth)
        return self._plain_value(inner, dice, depth)

    def _plain_value(self, type_: Any, dice: Dice, depth: int) -> Any:
        if is_leaf_type(type_):
            return leaves.leaf(type_, dice)
        return self._object(type_, dice, depth)

    def _object(self, type_: Any, dice: Dice, depth: int) -> Any:
        if not isinstance(type_, GraphQLObjectType):
            type_ = dice.pick(self.schema.get_possible_types(type_) or [type_])
            self.met["abstract"] += 1
        class_ = self.objects[dice.upto(2)]
        return class_(self, type_.name, dice.upto(1 << 32), depth + 1)

    def _list(self, type_: Any, dice: Dice, depth: int, error: Exception | None = None) -> Any:
        count = dice.upto((4, 4, 3, 3, 2, 2)[min(depth, 5)])
        items = []
        for index in range(count):
            value = self._value(type_.of_type, dice, depth)
            if isinstance(value, Exception):
                self.met["exception as item"] += 1
                value = Raised(value) if self.mode is not Mode.SYNC else value
            items.append(self._item(value, dice.upto(1 << 32), index))
        return self._carrier(items, dice, error)

    def _item(self, value: Any, seed: int, index: int) -> Any:
        dice = Dice(seed + SALT[self.mode])
        if dice.chance(WAITS[self.mode] / 2):
            self.met["awaitable item"] += 1
            if isinstance(value, Raised):
                self.met["fault in an awaitable item"] += 1
            return dice.pick(self.ways)(value, dice.upto(4))
        return value.error if isinstance(value, Raised) else value

    def _carrier(self, items: list[Any], dice: Dice, error: Exception | None) -> Any:
        how, seed = dice.upto(100), dice.upto(1 << 32)
        waits = Dice(seed + SALT[self.mode])
        if waits.chance(STREAMS[self.mode]):
            self.met["asynchronous list"] += 1
            return waits.pick(self.streams)(items, error, waits.upto(3))
        if error is not None:
            return self.breaking(items, error)
        self.met["list of another kind"] += how >= 60
        return items if how < 60 else self.lists[how % len(self.lists)](items)

    def _fault(self, type_: Any, dice: Dice, depth: int) -> Any:
        """What a field of this type should not hold."""
        kind = dice.pick(["null", "error", "wrong", "wrong"])
        if kind == "null":
            return None
        if kind == "error":
            self.met["exception as value"] += 1
            return self._error(dice)
        if isinstance(type_, GraphQLList):
            if dice.chance(50):
                self.met["list that breaks off"] += 1
                return self._list(type_, dice, depth, self._error(dice))
            self.met["no list"] += 1
            return dice.pick([5, "text", {"a": 1}, b"bytes", ..., True])
        if is_leaf_type(type_):
            self.met["wrong leaf"] += 1
            return leaves.wrong_leaf(type_, dice)
        self.met["wrong object"] += 1
        return dice.pick([5, "text", {"a": 1}, [], Undefined, Row(self, "Ape", 1, depth + 1)])


def _shown(value: Any) -> str:
    """How a value looks in a report."""
    if isinstance(value, Node | Row):
        return f"{type(value).__name__} {value._type} {value._seed}"
    if isinstance(value, list | tuple | deque):
        return f"{type(value).__name__} of {', '.join(map(_shown, value))}"
    return repr(value)


def call(info: Any, what: str, detail: str) -> Call:
    """What a function of the schema can tell of its call."""
    where = f"{info.parent_type}.{info.field_name} {info.return_type} at {info.path.typename}"
    how = f"{info.operation.operation} {len(info.fragments)} {info.variable_values.coerced!r}"
    path = tuple(info.path.as_list())
    return Call(path, what, detail, f"{where} in {how}", len(info.field_nodes))

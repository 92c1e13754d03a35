"""Generated schemas: objects, interfaces of interfaces, unions, enums, scalars, lists, arguments.

What a field answers is the world's business (`world.py`): it is the context of the execution.
"""

from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
)

from tests.engine import leaves
from tests.engine.dice import Dice
from tests.engine.inputs import Inputs

OBJECTS = ("Ape", "Bee", "Cat", "Dog")
INTERFACES = {"Named": ("name", "nick"), "Aged": ("age", "era"), "Kept": ("keeper", "home")}
OWN = ("a", "b", "c", "d", "e")


def resolve(source: Any, info: Any, **arguments: Any) -> Any:
    """The resolver of every field that has one."""
    return info.context.called(source, info, arguments)


def resolve_type(value: Any, info: Any, abstract: Any) -> Any:
    """The type resolver of every abstract type that has one."""
    return info.context.type_of(value, info, abstract)


def is_type_of(name: str) -> Any:
    """The predicate of an object type."""
    return lambda value, info: info.context.is_type(value, info, name)


@dataclass
class Builder:
    """Makes one schema."""

    dice: Dice
    fields: dict[str, dict[str, GraphQLField]] = field(default_factory=dict)
    inputs: Inputs = field(init=False)
    leaves: list[Any] = field(init=False)
    composites: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        enums: dict[str, Any] = {}
        for _ in range(2):
            enum = self.dice.pick(leaves.ENUMS)
            enums.setdefault(enum.name, enum)
        enums = {name: type(enum)(**enum.to_kwargs()) for name, enum in enums.items()}
        self.leaves = [*leaves.SCALARS, *enums.values(), leaves.ODD]
        readable = [enum for enum in enums.values() if enum.name != "Listed"]
        self.inputs = Inputs([*leaves.SCALARS, *readable, leaves.ODD])
        for name in ("Alpha", "Beta")[: self.dice.upto(3)]:
            self.inputs.add(self.dice, name)

    def schema(self) -> GraphQLSchema:
        """The schema, valid by construction."""
        named, aged, kept = self._interfaces()
        objects = [self._object(name, [named, aged, kept]) for name in OBJECTS]
        unions = [self._union(name, objects) for name in ("Pet", "Pair")[: 1 + self.dice.upto(2)]]
        self.composites = [*objects, named, aged, kept, *unions]
        for interface in (named, aged, kept):
            self._declare(interface)
        for each in objects:
            self._declare(each)
        roots = [self._root(name) for name in ("Query", "Mutation")]
        return GraphQLSchema(*roots, types=[*objects, *unions, named, aged, kept])

    def _interfaces(self) -> list[GraphQLInterfaceType]:
        found: list[GraphQLInterfaceType] = []
        for name in INTERFACES:
            above = found[:1] if name == "Aged" and self.dice.chance(70) else []
            it = GraphQLInterfaceType(name, self._thunk(name), above, self._type_resolver())
            found.append(it)
        return found

    def _type_resolver(self) -> Any:
        return resolve_type if self.dice.chance(60) else None

    def _thunk(self, name: str) -> Any:
        return lambda: self.fields[name]

    def _object(self, name: str, interfaces: list[GraphQLInterfaceType]) -> GraphQLObjectType:
        chosen = self.dice.some(interfaces, 50)
        for each in list(chosen):
            chosen += [above for above in each.interfaces if above not in chosen]
        predicate = is_type_of(name) if self.dice.chance(50) else None
        return GraphQLObjectType(name, self._thunk(name), chosen, predicate)

    def _union(self, name: str, objects: list[GraphQLObjectType]) -> GraphQLUnionType:
        members = self.dice.some(objects, 60) or objects[:1]
        return GraphQLUnionType(name, members, self._type_resolver())

    def _declare(self, type_: GraphQLObjectType | GraphQLInterfaceType) -> None:
        """Gives a type its own fields, and those of its interfaces, perhaps narrower."""
        made: dict[str, GraphQLField] = {}
        for interface in sorted(type_.interfaces, key=lambda each: -len(each.interfaces)):
            for key, promised in self.fields[interface.name].items():
                if key not in made:
                    made[key] = self._narrower(promised, type_)
        names = INTERFACES.get(type_.name) or self.dice.some(OWN, 60)
        for key in names:
            made[key] = self._field()
        self.fields[type_.name] = made or {"a": self._field()}

    def _root(self, name: str) -> GraphQLObjectType:
        self.fields[name] = {key: self._field(deep=True) for key in OWN}
        if name == "Mutation":  # each call of a root field is to be seen
            for each in self.fields[name].values():
                each.resolve = resolve
        return GraphQLObjectType(name, self._thunk(name))

    def _field(self, *, deep: bool = False) -> GraphQLField:
        composite = self.dice.chance(75 if deep else 45)
        named = self.dice.pick(self.composites if composite else self.leaves)
        arguments = {}
        if self.dice.chance(35):
            for key in ("x", "y")[: 1 + self.dice.upto(2)]:
                arguments[key] = self.inputs.argument(self.dice)
        return GraphQLField(self._wrapped(named), arguments, self._resolver())

    def _resolver(self) -> Any:
        return resolve if self.dice.chance(50) else None

    def _wrapped(self, named: Any) -> Any:
        type_ = GraphQLNonNull(named) if self.dice.chance(35) else named
        for _ in range(self.dice.pick((0, 0, 0, 0, 1, 1, 1, 2, 3))):
            type_ = GraphQLList(type_)
            type_ = GraphQLNonNull(type_) if self.dice.chance(35) else type_
        return type_

    def _narrower(self, promised: GraphQLField, owner: Any) -> GraphQLField:
        type_: Any = promised.type
        if not isinstance(type_, GraphQLNonNull):
            type_ = self._member(type_) if self.dice.chance(30) else type_
            type_ = GraphQLNonNull(type_) if self.dice.chance(30) else type_
        arguments: dict[str, GraphQLArgument] = dict(promised.args)
        if isinstance(owner, GraphQLObjectType) and self.dice.chance(20):
            arguments["z"] = self.inputs.argument(self.dice, optional=True)
        return GraphQLField(type_, arguments, self._resolver())

    def _member(self, type_: Any) -> Any:
        """A type that fits where an abstract one is promised."""
        fitting = [each for each in self.composites if type_ in getattr(each, "interfaces", ())]
        return self.dice.pick(fitting) if fitting else type_


def build(dice: Dice) -> GraphQLSchema:
    """A schema."""
    return Builder(dice).schema()

"""Generated operations, valid by construction: a response key means the same wherever it stands."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
    is_leaf_type,
    is_required_argument,
)
from graphql.utilities import do_types_overlap

from tests.engine.dice import Dice
from tests.engine.variables import Variables

ALIASES = ("k1", "k2", "k3")
INTROSPECTED = ("Query", "Cat", "Pet", "Colour", "Nothing")


@dataclass
class Writer:
    """Writes one operation and its fragments."""

    schema: GraphQLSchema
    dice: Dice
    prefix: str = ""
    left: int = 26
    variables: Variables = field(init=False)
    fragments: dict[str, tuple[Any, str]] = field(default_factory=dict)
    keys: dict[Any, tuple[str, str, str]] = field(default_factory=dict)
    arguments: dict[tuple[str, str], str] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.variables = Variables(self.dice, self.prefix)

    def operation(self, kind: str, name: str) -> str:
        """Writes the operation, with the fragments it spreads."""
        root = self.schema.mutation_type if kind == "mutation" else self.schema.query_type
        assert root is not None
        body = self.selection(root, 1 + self.dice.upto(4), root=True)
        head = f"{kind} {name}{self.variables} {body}"
        told = [f"fragment {n} on {type_} {text}" for n, (type_, text) in self.fragments.items()]
        return "\n".join([head, *told])

    def selection(self, parent: Any, depth: int, *, root: bool = False) -> str:
        """Writes what is asked of one type."""
        parts = [self._part(parent, depth, root=root) for _ in range(1 + self.dice.upto(4))]
        return f"{{ {' '.join(parts)} }}"

    def _part(self, parent: Any, depth: int, *, root: bool) -> str:
        way = self.dice.upto(100 if self.left > 0 else 75)
        if way >= 95 or not hasattr(parent, "fields"):
            plain = self.left <= 0 or way < 25 or way >= 95
            return self._typename() if plain else self._fragment(parent, depth)
        if way >= 74 and not root:
            return self._fragment(parent, depth)
        if root and way >= 90:
            return self._fragment(parent, depth)
        if parent is self.schema.query_type and way >= 88 and not self.prefix:
            return self._introspection(parent)
        return self._field(parent, depth)

    def _typename(self) -> str:
        self.used["__typename"] += 1
        alias = "word: " if self.dice.chance(30) else ""
        return f"{alias}__typename{self._directives()}"

    def _introspection(self, parent: Any) -> str:
        self.used["introspection"] += 1
        name = self.dice.pick(("__type", "__schema"))
        text = f'(name: "{self.dice.pick(INTROSPECTED)}")' if name == "__type" else ""
        asked = self.schema.get_field(parent, name)
        assert asked is not None
        body = self.selection(get_named_type(asked.type), 1)
        return f"{self._key(parent, name, text, asked)}{name}{text} {body}"

    def _field(self, parent: Any, depth: int) -> str:
        names = list(parent.fields)
        name = self.dice.pick(names)
        if depth <= 0 or self.left <= 0:
            flat = [n for n in names if is_leaf_type(get_named_type(parent.fields[n].type))]
            if not flat:
                return self._typename()
            name = self.dice.pick(flat)
        self.left -= 1
        asked: GraphQLField = parent.fields[name]
        text = self._arguments(parent, name, asked)
        head = f"{self._key(parent, name, text, asked)}{name}{text}{self._directives()}"
        named = get_named_type(asked.type)
        if not is_composite_type(named):
            return head
        return f"{head} {self.selection(named, depth - 1)}"

    def _arguments(self, parent: Any, name: str, asked: GraphQLField) -> str:
        known = self.arguments.get((parent.name, name))
        if known is not None and self.dice.chance(60):
            return known
        told = [
            f"{key}: {self.variables.literal(each.type, defaulted=each.default is not None)}"
            for key, each in asked.args.items()
            if is_required_argument(each) or self.dice.chance(60)
        ]
        text = f"({', '.join(told)})" if told else ""
        self.arguments[parent.name, name] = text
        return text

    def _key(self, parent: Any, name: str, text: str, asked: GraphQLField) -> str:
        """The alias, if any: a key says the same everywhere, or differs by object type only."""
        signature = (name, text, str(asked.type))
        if isinstance(parent, GraphQLObjectType) and self.dice.chance(12):
            key = f"o{crc32(signature[2].encode()):x}"
            if self.keys.setdefault((key, parent.name), signature) == signature:
                self.used["keys that differ by type"] += 1
                return f"{key}: "
        key = name if self.dice.chance(75) else self.dice.pick(ALIASES)
        count = 0
        while self.keys.setdefault(key, signature) != signature:
            count += 1
            key = f"{name}{count}"
        self.used["aliases"] += key != name
        return "" if key == name else f"{key}: "

    def _fragment(self, parent: Any, depth: int) -> str:
        self.left -= 1
        way = self.dice.upto(10)
        if way == 0:
            self.used["fragments without a type"] += 1
            return f"...{self._directives()} {self.selection(parent, depth)}"
        fitting = [
            type_
            for type_ in self.schema.type_map.values()
            if is_composite_type(type_) and do_types_overlap(self.schema, parent, type_)
        ]
        if way >= 6:
            return self._spread(fitting, depth)
        type_ = self.dice.pick(fitting)
        self.used["inline fragments"] += 1
        return f"... on {type_}{self._directives()} {self.selection(type_, depth)}"

    def _spread(self, fitting: list[Any], depth: int) -> str:
        known = [name for name, (type_, _) in self.fragments.items() if type_ in fitting]
        if known and self.dice.chance(50):
            self.used["fragments spread again"] += 1
            return f"...{self.dice.pick(known)}{self._directives()}"
        type_ = self.dice.pick(fitting)
        body = self.selection(type_, depth)
        name = f"{self.prefix}F{len(self.fragments)}"
        self.fragments[name] = (type_, body)
        self.used["named fragments"] += 1
        return f"...{name}{self._directives()}"

    def _directives(self) -> str:
        if not self.dice.chance(10):
            return ""
        told = ""
        for name in self.dice.pick((("include",), ("skip",), ("skip", "include"))):
            if self.dice.chance(60):
                value = f"${self.variables.condition().name}"
                self.used["conditions by variable"] += 1
            else:
                value = self.dice.pick(("true", "false"))
                self.used["conditions by literal"] += 1
            told += f" @{name}(if: {value})"
        return told


@dataclass
class Asked:
    """A document and how it is sent."""

    text: str
    name: str | None
    kind: str
    variables: list[dict[str, Any]]
    used: Counter[str]


def write(schema: GraphQLSchema, dice: Dice) -> Asked:
    """Writes a document of one operation, or of two of which one is chosen."""
    kind = "mutation" if dice.chance(20) else "query"
    first = Writer(schema, dice)
    texts = [first.operation(kind, "First")]
    used = first.used
    if dice.chance(10):
        texts.append(Writer(schema, dice, "z", left=4).operation("query", "Second"))
        used["several operations"] += 1
    faulty = dice.chance(6)
    used["faulty variables"] += faulty
    sets = [first.variables.values(faulty=faulty)]
    if first.variables.known or first.variables.conditions:
        sets.append(first.variables.values(faulty=faulty))
    used["variables"] += len(first.variables.known)
    used[kind] += 1
    name = "First" if len(texts) > 1 or dice.chance(50) else None
    return Asked("\n".join(texts), name, kind, sets, used)

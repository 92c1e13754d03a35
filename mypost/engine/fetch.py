"""How a field gets its values: an attribute, a declared load, a function, graphql-core's default.

`start` answers one raw value for each parent: a value, an awaitable, or the exception raised.
"""

import keyword
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from graphql import GraphQLField, GraphQLSchema, default_field_resolver
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info as StrawberryInfo

from mypost.engine.declare import ENGINE, Load, Rows
from mypost.engine.info import Info
from mypost.engine.places import Place

if TYPE_CHECKING:
    from mypost.engine.plan import Field
    from mypost.engine.run import Run

DEFINITION = "strawberry-definition"
Raw = list[Any]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of the parent."""

    name: str
    waits = False

    def start(self, run: "Run", field: "Field", parents: Sequence[Any], place: Place) -> Raw:
        """Reads the attribute of every parent."""
        del run, field, place
        return each(attrgetter(self.name), parents)


@dataclass(frozen=True, slots=True)
class Computed:
    """A Strawberry resolver without arguments, called without Strawberry's layers."""

    resolve: Callable[..., Any]
    source: str | None  # the parameter that takes the parent: "" for the first, None for no such
    info: str | None
    definition: StrawberryField
    waits = False

    def start(self, run: "Run", field: "Field", parents: Sequence[Any], place: Place) -> Raw:
        """Calls the resolver for every parent."""
        resolve, source = self.resolve, self.source
        if self.info is None:
            if source == "":
                return each(resolve, parents)
            if source is None:
                return each(lambda _: resolve(), parents)
            return each(lambda parent: resolve(**{source: parent}), parents)
        found: Raw = []
        for index, parent in enumerate(parents):
            raw = Info(run, field, place, index)
            told = {self.info: StrawberryInfo(_raw_info=raw, _field=self.definition)}  # type: ignore[arg-type]
            first: tuple[Any, ...] = ()
            if source == "":
                first = (parent,)
            elif source is not None:
                told[source] = parent
            try:
                found.append(resolve(*first, **told))
            except Exception as error:  # noqa: BLE001 - told at the place of this value
                found.append(error)
        return found


@dataclass(frozen=True, slots=True)
class Resolver:
    """A Strawberry resolver with arguments, called without Strawberry's layers."""

    resolve: Callable[..., Any]
    source: str | None
    info: str | None
    definition: StrawberryField
    waits = True

    def start(self, run: "Run", field: "Field", parents: Sequence[Any], place: Place) -> Raw:
        """Calls the resolver for every parent."""
        found: Raw = []
        for index, parent in enumerate(parents):
            raw = Info(run, field, place, index)
            info = StrawberryInfo(_raw_info=raw, _field=self.definition)  # type: ignore[arg-type]
            first: tuple[Any, ...] = (parent,) if self.source == "" else ()
            try:
                arguments = self._arguments(run, field, info)
                if self.info is not None:
                    arguments[self.info] = info
                if self.source:
                    arguments[self.source] = parent
                found.append(self.resolve(*first, **arguments))
            except Exception as error:  # noqa: BLE001 - told at the place of this value
                found.append(error)
        return found

    def _arguments(self, run: "Run", field: "Field", info: Any) -> dict[str, Any]:
        if field.constant is not None:
            return dict(field.constant)
        return self.convert(run.plan.schema, field.arguments(run), info)

    def convert(self, schema: GraphQLSchema, given: Any, info: Any) -> dict[str, Any]:
        """Answers coerced arguments as Strawberry gives them to the function."""
        strawberry: Any = schema._strawberry_schema  # type: ignore[attr-defined]  # noqa: SLF001 - as `Info.schema` does
        registry = strawberry.schema_converter.scalar_registry
        return convert_arguments(
            given, self.definition.arguments, registry, strawberry.config, info
        )


@dataclass(frozen=True, slots=True)
class Called:
    """Any other resolver, called as graphql-core calls it."""

    resolve: Callable[..., Any]
    waits = True

    def start(self, run: "Run", field: "Field", parents: Sequence[Any], place: Place) -> Raw:
        """Calls the resolver for every parent."""
        found: Raw = []
        for index, parent in enumerate(parents):
            try:
                arguments = field.arguments(run)
                found.append(self.resolve(parent, Info(run, field, place, index), **arguments))
            except Exception as error:  # noqa: BLE001 - told at the place of this value
                found.append(error)
        return found


@dataclass(frozen=True, slots=True)
class Loaded:
    """A declared load: one call for the whole batch."""

    load: Callable[..., Awaitable[Raw]]
    waits = True

    async def values(self, run: "Run", field: "Field", parents: Sequence[Any]) -> Raw:
        """Reads the values of the batch; what keeps it from that is told for each of them."""
        try:
            if field.json is not None and run.pushes:
                return await self.load(run.context, parents, field.json)
            return await self.load(run.context, parents)
        except Exception as error:  # noqa: BLE001 - told at the place of every value
            return [error] * len(parents)


Fetch = Attribute | Computed | Resolver | Called | Loaded


def each(function: Callable[[Any], Any], parents: Sequence[Any]) -> Raw:
    """Calls a function for every parent once; an exception takes the place of its value."""
    found: Raw = []
    for parent in parents:
        try:
            found.append(function(parent))
        except Exception as error:  # noqa: BLE001 - told at the place of this value
            found.append(error)
    return found


def fetch_of(field: GraphQLField) -> Fetch:
    """Answers how a field of the schema gets its values."""
    definition = field.extensions.get(DEFINITION)
    if not isinstance(definition, StrawberryField):
        return Called(field.resolve or default_field_resolver)
    declared = definition.metadata.get(ENGINE)
    if isinstance(declared, Load):
        return Loaded(declared.load)
    if definition.is_basic_field and getattr(field.resolve, "_is_default", False):
        name = definition.python_name
        if name.isidentifier() and not keyword.iskeyword(name):
            return Attribute(name)
    if _is_plain(definition):
        return _direct(Resolver if field.args else Computed, definition)
    return Called(field.resolve or default_field_resolver)


def is_trusted(field: GraphQLField) -> bool:
    """Whether the values of a field are of its type by declaration."""
    return isinstance(declared_of(field), Load | Rows)


def declared_of(field: GraphQLField) -> Any:
    """What the schema says to the engine of a field, or None."""
    definition = field.extensions.get(DEFINITION)
    return definition.metadata.get(ENGINE) if isinstance(definition, StrawberryField) else None


def _is_plain(definition: StrawberryField) -> bool:
    """Whether nothing stands between Strawberry and the function."""
    if definition.is_subscription or type(definition).get_result is not StrawberryField.get_result:
        return False
    return definition.base_resolver is not None and not definition.extensions


def _direct(kind: type[Computed | Resolver], definition: StrawberryField) -> Computed | Resolver:
    resolver = definition.base_resolver
    assert resolver is not None  # noqa: S101 - looked at before
    parent = resolver.parent_parameter or resolver.root_parameter
    order = list(resolver.signature.parameters)
    source = parent.name if parent else None
    if resolver.self_parameter or (source is not None and order[:1] == [source]):
        source = ""
    info = resolver.info_parameter.name if resolver.info_parameter else None
    function: Any = resolver.wrapped_func
    return kind(function, source, info, definition)

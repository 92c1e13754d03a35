"""Where each part of a request goes among the arguments of its field."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    get_nullable_type,
    is_required_argument,
    is_required_input_field,
)

from mypost import ids
from mypost.errors import NotFound
from mypost.models.paging import MAX_PAGE
from mypost.rest.decode import (
    BROKEN,
    MAX_INT,
    Faults,
    ObjectReader,
    Path,
    Reader,
    from_query,
    reader_of,
)
from mypost.rest.routes import Route
from mypost.rest.selection import RowError

PARAMETER = re.compile(r"\{(\w+)\}")
ETAG = re.compile(r'(?:W/)?"([0-9]{1,10})"')
VERSION = "expectedVersion"
KEY = "idempotencyKey"
INPUT = "input"
BACKWARD = {"last", "before"}
# REST calls the two arguments of a page otherwise; faults travel the same way back.
PAGING = {"first": "limit", "after": "cursor"}
BODIES = {"POST", "PATCH", "PUT"}
NO_VERSION = -1


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of the address or of the query string, and the variable it becomes."""

    name: str
    place: Path
    type: GraphQLInputType
    reader: Reader

    def read(self, texts: list[str], faults: Faults) -> Any:
        """Reads the texts a client gave for a query parameter."""
        raw = from_query(self.type, texts)
        if not isinstance(raw, list) and len(texts) > 1:
            return faults.add((self.name,), "Must be given once")
        value = self.reader.read(raw, (self.name,), faults)
        if self.name == "limit" and value is not BROKEN and not 1 <= value <= MAX_PAGE:
            return faults.add((self.name,), f"Must be between 1 and {MAX_PAGE}")
        return value


@dataclass(frozen=True, slots=True)
class Binding:
    """How a request of one endpoint becomes the variables of its stored operation."""

    path: Mapping[str, Parameter]
    query: Mapping[str, Parameter]
    variables: Mapping[str, GraphQLInputType]
    input: ObjectReader | None
    noun: str
    elsewhere: Mapping[str, str]
    reads_body: bool
    keyed: bool

    def bind(
        self,
        path: Mapping[str, str],
        query: list[tuple[str, str]],
        body: dict[str, Any],
        if_match: str | None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Answers the variables of a request. Raises Invalid with every fault."""
        variables: dict[str, Any] = {}
        faults = Faults()
        if self.input is not None:
            read = self.input.read(body, (), faults, self.elsewhere)
            variables[INPUT] = read
        self._from_query(query, variables, faults)
        if self.input is not None and faults.found:
            self.input.judge(variables[INPUT], (), faults)
        for name, parameter in self.path.items():
            _put(variables, parameter.place, parameter.read([path[name]], faults))
        faults.refuse()
        if self.versioned and (expected := _version(if_match)) is not None:
            variables[INPUT][VERSION] = expected
        if self.keyed and key is not None:
            variables[INPUT][KEY] = key
        return variables

    @property
    def versioned(self) -> bool:
        """Whether If-Match means something here."""
        return self.input is not None and VERSION in self.input.properties

    def find(self, path: Mapping[str, str]) -> None:
        """Raises NotFound for a path that holds something no id looks like."""
        for name, parameter in self.path.items():
            named = getattr(get_nullable_type(parameter.type), "name", "")
            if named == "ID" and ids.parse(path[name]) is None:
                raise NotFound(self.noun)

    def _from_query(
        self, given: list[tuple[str, str]], variables: dict[str, Any], faults: Faults
    ) -> None:
        texts: dict[str, list[str]] = {}
        for name, text in given:
            texts.setdefault(name, []).append(text)
        for name, each in texts.items():
            parameter = self.query.get(name)
            if parameter is None:
                faults.add((name,), "There is no such query parameter")
            else:
                _put(variables, parameter.place, parameter.read(each, faults))


def _put(variables: dict[str, Any], place: Path, value: Any) -> None:
    for key in place[:-1]:
        variables = variables.setdefault(key, {})
    variables[place[-1]] = value


def _version(if_match: str | None) -> int | None:
    """Reads an entity tag; one that is none of ours names a version nothing has."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = ETAG.fullmatch(if_match.strip())
    version = int(tag[1]) if tag else NO_VERSION
    return version if version <= MAX_INT else NO_VERSION


@dataclass(slots=True)
class Binder:
    """Compiles the binding of one row, argument by argument."""

    route: Route
    path: dict[str, Parameter] = field(default_factory=dict)
    query: dict[str, Parameter] = field(default_factory=dict)
    variables: dict[str, GraphQLInputType] = field(default_factory=dict)
    names: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.names = set(PARAMETER.findall(self.route.path))

    def arguments(self, name: str, declared: GraphQLField, *, last: bool) -> str:
        """Binds the arguments of one field of a query; answers them as the operation's text."""
        texts = []
        for argument, spec in declared.args.items():
            own = f"{name}Id" if argument == "id" else argument
            given = next((p for p in (argument, own) if p in self.names - self.path.keys()), None)
            if given is not None:
                self._declare(given, spec.type)
                self.path[given] = self._parameter(given, (given,), spec.type)
                texts.append(f"{argument}: ${given}")
            elif last and argument not in BACKWARD:
                self._from_query(argument, spec)
                texts.append(f"{argument}: ${argument}")
            elif is_required_argument(spec):
                raise RowError(self.route, f"nothing binds the argument {argument} of {name}")
        return f"({', '.join(texts)})" if texts else ""

    def _from_query(self, argument: str, spec: GraphQLArgument) -> None:
        if is_required_argument(spec):
            raise RowError(self.route, f"nothing binds the required argument {argument}")
        self._declare(argument, spec.type)
        type_ = get_nullable_type(spec.type)
        if isinstance(type_, GraphQLInputObjectType):
            for name, inner in type_.fields.items():
                self.query[name] = self._parameter(name, (argument, name), inner.type)
        else:
            name = PAGING.get(argument, argument)
            self.query[name] = self._parameter(name, (argument,), spec.type)

    def input(self, declared: GraphQLField) -> ObjectReader:
        """Binds the one `input` of a mutation: from the address, the query string and the body."""
        spec = declared.args.get(INPUT)
        type_ = get_nullable_type(spec.type) if spec else None
        if spec is None or not isinstance(type_, GraphQLInputObjectType):
            raise RowError(self.route, f"{self.route.field} takes no input object")
        self._declare(INPUT, spec.type)
        for names, bound in ((sorted(self.names), self.path), (self.route.query, self.query)):
            for name in names:
                if name not in type_.fields:
                    raise RowError(self.route, f"{type_.name} has no field {name}")
                bound[name] = self._parameter(name, (INPUT, name), type_.fields[name].type)
        if self.route.method not in BODIES:
            for name, inner in type_.fields.items():
                if is_required_input_field(inner) and name not in {*self.path, *self.query}:
                    raise RowError(self.route, f"nothing binds the required field {name}")
        return ObjectReader(type_)

    def _parameter(self, name: str, place: Path, type_: GraphQLInputType) -> Parameter:
        return Parameter(name, place, type_, reader_of(type_))

    def _declare(self, name: str, type_: GraphQLInputType) -> None:
        if name in self.variables:
            raise RowError(self.route, f"two arguments are both named {name}")
        self.variables[name] = type_

    def done(self, noun: str, input: ObjectReader | None) -> Binding:
        """Answers the binding, once every parameter of the path has its place."""
        if loose := self.names - self.path.keys():
            raise RowError(self.route, f"its path parameter {min(loose)} binds nothing")
        taken = dict.fromkeys((*self.path, *self.query), "address")
        return Binding(
            self.path,
            self.query,
            self.variables,
            input,
            noun,
            {**taken, KEY: "header Idempotency-Key"},
            input is not None and self.route.method in BODIES,
            input is not None and self.route.method == "POST" and KEY in input.properties,
        )

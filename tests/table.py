"""Any row of the table, sent by either door: the request is spelled from the published shapes.

GraphQL is asked for exactly what `openapi.json` promises of the REST answer, so that the two can
be compared field by field; nothing of the code that serves REST is used.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
)

from mypost.rest.openapi import document
from mypost.rest.routes import ROUTES, Route
from mypost.schema.build import schema
from tests.client import Api, Person
from tests.doors import OF_USER_ERROR, STATUS_OF, Answer

CORE = schema._schema
DOCUMENT: dict[str, Any] = document()
ERRORS = "userErrors { code message path }"
PAGE = "pageInfo { hasNextPage endCursor }"
PAGING = {"limit": "first", "cursor": "after"}


def resolved(shape: dict[str, Any]) -> dict[str, Any]:
    """A shape without its reference, and without its null."""
    while True:
        if "$ref" in shape:
            shape = DOCUMENT["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
        elif "anyOf" in shape:
            shape = shape["anyOf"][0]
        else:
            return shape


def selection(shape: dict[str, Any]) -> str:
    """The GraphQL selection that asks for everything a shape names."""
    shape = resolved(shape)
    if "items" in shape:
        return selection(shape["items"])
    if "properties" not in shape:
        return ""
    fields = (f"{name} {selection(inner)}" for name, inner in shape["properties"].items())
    return f"{{ {' '.join(fields)} }}"


def to_graphql(value: Any, type_: Any) -> Any:
    """A value as GraphQL takes it: enum members by name; nonsense stays what it is."""
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if isinstance(inner, GraphQLList) and isinstance(value, list):
        return [to_graphql(item, inner.of_type) for item in value]
    if isinstance(inner, GraphQLInputObjectType) and isinstance(value, dict):
        known = inner.fields
        return {k: to_graphql(v, known[k].type) if k in known else v for k, v in value.items()}
    if isinstance(inner, GraphQLEnumType) and isinstance(value, str):
        names = {getattr(m.value, "value", m.value): name for name, m in inner.values.items()}
        return names.get(value, value)
    return value


def to_rest(value: Any, type_: Any) -> Any:
    """A GraphQL answer as REST spells it: enum members by value."""
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if value is None:
        return None
    if isinstance(inner, GraphQLList):
        return [to_rest(item, inner.of_type) for item in value]
    if isinstance(inner, GraphQLEnumType):
        member = inner.values[value].value
        return getattr(member, "value", member)
    if isinstance(value, dict) and hasattr(inner, "fields"):
        return {key: to_rest(item, inner.fields[key].type) for key, item in value.items()}
    return value


@dataclass(frozen=True)
class Row:
    """One row of the table, and the field of the schema it names."""

    route: Route

    @property
    def described(self) -> dict[str, Any]:
        return DOCUMENT["paths"][self.route.path][self.route.method.lower()]

    @property
    def served(self) -> bool:
        """Whether REST has it at all."""
        return self.route.path in DOCUMENT["paths"]

    @property
    def shape(self) -> dict[str, Any] | None:
        if not self.served:
            return None
        content = self.described["responses"][str(self.route.status)].get("content")
        return resolved(content["application/json"]["schema"]) if content else None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the body."""
        body = self.described.get("requestBody")
        if body is None:
            return {}
        return resolved(body["content"]["application/json"]["schema"])["properties"]

    @property
    def names(self) -> list[str]:
        """The parameters of the path."""
        return re.findall(r"\{(\w+)\}", self.route.path)

    @property
    def mutation(self) -> bool:
        return self.route.method != "GET"

    @property
    def listed(self) -> bool:
        return self.shape is not None and self.shape.get("required") == ["data", "page"]

    @property
    def input(self) -> GraphQLInputObjectType:
        """The input object of a mutation."""
        declared = CORE.mutation_type.fields[self.route.field].args["input"]  # type: ignore[union-attr]
        return get_named_type(declared.type)  # type: ignore[return-value]

    async def by_rest(self, api: Api, who: Person | None, given: dict[str, Any]) -> Answer:
        method, loose = self.route.method, dict(given)
        path = re.sub(r"\{(\w+)\}", lambda found: str(loose.pop(found[1])), self.route.path)
        asked = {p["name"] for p in self.described["parameters"] if p["in"] == "query"}
        query = {k: _text(loose.pop(k)) for k in list(loose) if k in asked or method == "GET"}
        answer = await api.rest(
            method, path, loose if method in ("POST", "PATCH") else None,
            token=who.token if who else None, params=query,
        )  # fmt: skip
        if answer.status_code < 400:
            assert answer.status_code == self.route.status, answer.text
            return Answer(answer.json() if answer.content else None)
        error = answer.json()["error"]
        assert answer.status_code == STATUS_OF[error["code"]]
        assert str(answer.status_code) in self.described["responses"], answer.status_code
        details = tuple((d["path"], d["message"]) for d in error["details"])
        return Answer(None, error["code"], details, error["message"])

    async def by_graphql(self, api: Api, who: Person | None, given: dict[str, Any]) -> Answer:
        text, variables = self.spelled(given)
        said = await api.gql(text, variables, token=who.token if who else None)
        if said.get("errors"):
            error = said["errors"][0]
            told = error["extensions"].get("details", ())
            details = tuple((d["path"].removeprefix("filter."), d["message"]) for d in told)
            return Answer(None, error["extensions"]["code"], details, error["message"])
        found = said["data"][self.route.field.split(".")[0]]
        return self._changed(found) if self.mutation else Answer(self._read(found))

    def spelled(self, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The document and its variables."""
        if self.mutation:
            head = f"mutation($input: {self.input.name}!) {{ {self.route.field}(input: $input)"
            return f"{head} {self._payload()} }}", {"input": to_graphql(given, self.input)}
        return self._query(given)

    def _payload(self) -> str:
        if self.shape is None:
            return f"{{ __typename {ERRORS} }}"
        asked = selection(self.shape)
        if (inner := self._datum()) is None:
            return f"{{ {asked[1:-1]} {ERRORS} }}"
        return f"{{ {inner} {asked} {ERRORS} }}"

    def _datum(self) -> str | None:
        """The one datum of a payload; None when the payload is the answer itself."""
        declared = CORE.mutation_type.fields[self.route.field]  # type: ignore[union-attr]
        fields = set(get_named_type(declared.type).fields) - {"userErrors"}  # type: ignore[union-attr]
        return None if fields & set(self.shape["properties"]) else fields.pop()  # type: ignore[index]

    def _changed(self, found: dict[str, Any]) -> Answer:
        errors = found.pop("userErrors")
        if not errors:
            if self.shape is None:
                return Answer(None)
            declared = CORE.mutation_type.fields[self.route.field].type  # type: ignore[union-attr]
            answer = to_rest(found, declared)
            inner = self._datum()
            return Answer(self._kept(answer if inner is None else answer[inner]))
        codes = {OF_USER_ERROR.get(e["code"], "VALIDATION_ERROR") for e in errors}
        code = "VALIDATION_ERROR" if "VALIDATION_ERROR" in codes else codes.pop()
        details = tuple((".".join(e["path"]), e["message"]) for e in errors)
        # An unknown id that REST carries in its path is a 404 there.
        if errors[0]["code"] == "NOT_FOUND" and details[0][0] in self.names:
            return Answer(None, "NOT_FOUND", (), errors[0]["message"])
        return Answer(None, code, details, errors[0]["message"])

    def _kept(self, body: Any) -> Any:
        """A body without the keys that REST leaves out when they are null."""
        required = self.shape["required"]  # type: ignore[index]
        return {k: v for k, v in body.items() if v is not None or k in required}

    def _query(self, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        *outer, last = self._fields()
        loose, heads, types, variables = dict(given), [], [], {}
        for name, declared in [*outer, last]:
            spelled = []
            for argument, value in self._arguments(name, declared, loose, last=name == last[0]):
                types.append(f"${argument}: {declared.args[argument].type}")
                variables[argument] = to_graphql(value, declared.args[argument].type)
                spelled.append(f"{argument}: ${argument}")
            heads.append(name + (f"({', '.join(spelled)})" if spelled else ""))
        assert not loose, f"{self.route.field} has no place for {loose}"
        shape = self.shape["properties"]["data"] if self.listed else self.shape  # type: ignore[index]
        text = "{ __typename }" if shape is None else selection(shape)
        text = f"{{ nodes {text} {PAGE} }}" if self.listed else text
        for head in reversed(heads):
            text = f"{{ {head} {text} }}"
        return f"query({', '.join(types)}) {text}" if types else text, variables

    def _fields(self) -> list[tuple[str, GraphQLField]]:
        parent, found = CORE.query_type, []
        for name in self.route.field.split("."):
            found.append((name, parent.fields[name]))  # type: ignore[union-attr]
            parent = get_named_type(parent.fields[name].type)  # type: ignore[union-attr,assignment]
        return found

    def _arguments(
        self, name: str, declared: GraphQLField, loose: dict[str, Any], *, last: bool
    ) -> Iterator[tuple[str, Any]]:
        """What of the given goes to one field: its id, its page, its filter."""
        for key in list(loose):
            argument = "id" if key == f"{name}Id" else PAGING.get(key, key)
            if argument in declared.args and (argument not in PAGING.values() or last):
                yield argument, loose.pop(key)
        if last and "filter" in declared.args and loose:
            yield "filter", dict(loose)
            loose.clear()

    def _read(self, found: Any) -> Any:
        type_: Any = None
        for name, declared in self._fields():
            type_ = declared.type
            if name != self.route.field.split(".")[0]:
                found = found[name]
        if not self.served:
            return found
        if not self.listed:
            return self._kept(to_rest(found, type_))
        nodes = to_rest(found, get_named_type(type_))["nodes"]
        page = found["pageInfo"]
        more = page["hasNextPage"]
        return {
            "data": nodes,
            "page": {"nextCursor": page["endCursor"] if more else None, "hasMore": more},
        }


def _text(value: Any) -> Any:
    """A value as a query string carries it."""
    if isinstance(value, list):
        return ",".join(str(_text(item)) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str | int | float) else str(value)


ROWS = {str(route): Row(route) for route in ROUTES}


def bare(name: str) -> Row:
    """A root field that REST does not have, as if it were a row."""
    method = "POST" if name in CORE.mutation_type.fields else "GET"  # type: ignore[union-attr]
    return Row(Route(method, "", name))

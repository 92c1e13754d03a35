"""From the data of an operation to the body and headers of an answer."""

import re
from dataclasses import dataclass
from typing import Any

from mypost.models.paging import DEFAULT_PAGE
from mypost.rest.binding import PARAMETER
from mypost.rest.routes import BASE, Route
from mypost.rest.selection import RowError, Selection

VERSION = "version"


@dataclass(frozen=True, slots=True)
class Answer:
    """Where the resource lies in the data, and how REST shows it."""

    steps: tuple[str, ...]
    listed: bool
    optional: tuple[str, ...]
    location: str | None
    versioned: bool

    def resource(self, data: dict[str, Any]) -> Any:
        """Answers the resource of an operation's data, or None when there is none."""
        value: Any = data
        for step in self.steps:
            if value is None:
                return None
            value = value[step]
        return value

    def body(self, resource: dict[str, Any], first: int | None) -> dict[str, Any]:
        """Spells a resource, or a page of them, as REST does."""
        if not self.listed:
            return self._one(resource)
        page = resource["pageInfo"]
        more = page["hasNextPage"]
        return {
            "data": [self._one(node) for node in resource["nodes"]],
            "page": {
                "nextCursor": page["endCursor"] if more else None,
                "hasMore": more,
                "limit": DEFAULT_PAGE if first is None else first,
            },
        }

    def headers(self, body: dict[str, Any]) -> dict[str, str]:
        """Answers what stands above the body: its version, where a new thing stands."""
        found = {}
        if self.versioned:
            found["ETag"] = f'"{body[VERSION]}"'
        if self.location is not None:
            found["Location"] = PARAMETER.sub(lambda m: str(body[m[1]]), self.location)
        return found

    def _one(self, resource: dict[str, Any]) -> dict[str, Any]:
        for key in self.optional:
            if resource[key] is None:
                del resource[key]
        return resource


def answer(route: Route, steps: tuple[str, ...], selection: Selection, *, listed: bool) -> Answer:
    """Compiles the answer of a row. Raises RowError."""
    for name in route.optional:
        if name not in selection.fields:
            raise RowError(
                route, f"it leaves out {name}, which {selection.type.name} does not have"
            )
    return Answer(
        steps,
        listed,
        route.optional,
        _location(route, selection),
        versioned=not listed and VERSION in selection.fields,
    )


def _location(route: Route, selection: Selection) -> str | None:
    """Answers where a created thing stands: where the row says, or in its own collection."""
    if route.status != 201:  # noqa: PLR2004 - Created
        return None
    collection = route.path.rpartition("/")[2]
    location = route.location or f"/{collection}/{{id}}"
    if wrong := [n for n in PARAMETER.findall(location) if n not in selection.fields]:
        raise RowError(route, f"its location needs {wrong[0]}, which it does not answer")
    if route.location is None and not re.fullmatch(r"[a-z-]+", collection):
        raise RowError(route, "it creates and must say at which location")
    return BASE + location

"""A Strawberry schema with every kind of field the engine knows, answered by a generated world.

The generated schemas of `schemas.py` are graphql-core's own: their resolvers are all called. Here
are attributes, computed fields, declared loads, rows, permissions and extensions.
"""

import enum
from collections.abc import Sequence
from functools import cache
from inspect import isawaitable
from typing import Annotated, Any, NewType

import strawberry
from graphql import GraphQLSchema
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from mypost.engine.declare import ENGINE, Load, Rows
from tests.engine.leaves import spell
from tests.engine.shelf import Shelf

Parent = strawberry.Parent[Any]
Info = strawberry.Info[Shelf, None]
Odd = NewType("Odd", object)


@strawberry.enum
class Genre(enum.Enum):
    """What a book is about."""

    CRIME = "crime"
    TRAVEL = "travel"
    VERSE = "verse"


class Allowed(BasePermission):
    """Refuses some."""

    message = "You may not"

    def has_permission(self, source: Any, info: Any, **arguments: Any) -> bool:
        return info.context.allows(source, info.field_name)


class Louder(FieldExtension):
    """Changes what a resolver answers."""

    def resolve(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
        found = next_(source, info, **arguments)
        return self.later(found) if isawaitable(found) else self.loud(found)

    async def later(self, found: Any) -> Any:
        return self.loud(await found)

    def loud(self, found: Any) -> Any:
        return found.upper() if isinstance(found, str) else found


def told(name: str, type_: Any, **more: Any) -> Any:
    """A field with a resolver that takes the parent and info."""

    def resolve(root: Parent, info: Info) -> Any:
        return info.context.resolved(root, info, {})

    resolve.__annotations__["return"] = type_
    return strawberry.field(resolver=resolve, name=name, **more)


def loaded(name: str, type_: Any) -> Any:
    """A field that is read for all parents at once; graphql-core asks for each."""

    def resolve(root: Parent, info: Info) -> Any:
        return info.context.loaded([root], name, alone=True)

    async def load(shelf: Shelf, parents: Sequence[Any]) -> list[Any]:
        return shelf.loaded(parents, name)

    resolve.__annotations__["return"] = type_
    return strawberry.field(resolver=resolve, metadata={ENGINE: Load(load)})


@strawberry.input
class Wish:
    """What to look for."""

    words: list[str]
    genre: Genre | None = Genre.CRIME
    most: int = 3
    further: "Wish | None" = None


@strawberry.interface
class Item:
    """What stands on a shelf."""

    id: strawberry.ID
    title: str
    kept_in: str | None

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        return info.context.type_name(value) == cls.__name__


@strawberry.type
class Author:
    """Who writes."""

    name: str
    born: int | None
    moods: list[Genre | None] | None
    books: list["Book"] = loaded("books", list["Book"])
    best: "Book | None" = loaded("best", "Book | None")
    friend: "Author | None"

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        return info.context.type_name(value) == "Author"

    @strawberry.field
    def initials(self) -> str | None:
        return shelf_of(self).computed(self, "initials")

    @strawberry.field
    def height(root: Parent) -> float:  # noqa: N805 - the parent, as Strawberry names it
        return shelf_of(root).computed(root, "height")


@strawberry.type
class Book(Item):
    """What is read."""

    pages: int
    price: float | None
    lent: bool
    genre: Genre
    extra: Odd | None
    notes: list[list[str | None]] | None
    author: Author
    editors: list[Author | None] | None = strawberry.field(metadata={ENGINE: Rows()})
    next: "Book | None" = strawberry.field(name="sequel", metadata={ENGINE: Rows()})
    on_loan: bool = loaded("onLoan", bool)
    rank: int | None = loaded("rank", int | None)
    state: Genre = told("state", Genre)
    alike: "list[Thing] | None" = told("alike", "list[Thing] | None")
    secret: str | None = told("secret", str | None, permission_classes=[Allowed])
    loud: str = told("loud", str, extensions=[Louder()])

    @strawberry.field
    def quote(self, info: Info, length: int = 5, of: Genre | None = None) -> str | None:
        return info.context.resolved(self, info, {"length": length, "of": of})


@strawberry.type
class Map(Item):
    """What shows the way."""

    scale: int | None
    shows: list[Item] | None
    sheet: Item | None = loaded("sheet", Item | None)


Thing = Annotated[Book | Map | Author, strawberry.union("Thing")]


def shelf_of(source: Any) -> Shelf:
    """The world of an object; what is no object of ours has none."""
    return source._world


def found(**arguments: Any) -> Any:
    """A root field's answer."""
    info = arguments.pop("info")
    return info.context.resolved(None, info, arguments)


@strawberry.type
class Query:
    """Where reading begins."""

    books: list[Book] = told("books", list[Book])
    things: list[list[Thing | None]] | None = told("things", list[list[Thing | None]] | None)
    item: Item | None = told("item", Item | None)
    author: Author = told("author", Author)
    name: str = told("name", str)

    @strawberry.field
    def search(self, info: Info, wish: Wish, ids: list[strawberry.ID] | None = None) -> list[Book]:
        return found(info=info, wish=wish, ids=ids)


@strawberry.type
class Mutation:
    """What changes the shelves."""

    @strawberry.mutation
    def lend(self, info: Info, id: strawberry.ID, days: int | None = 7) -> Book | None:
        return found(info=info, id=id, days=days)

    @strawberry.mutation
    def write(self, info: Info, wish: Wish) -> Author:
        return found(info=info, wish=wish)


@cache
def schema() -> GraphQLSchema:
    """The schema, as graphql-core knows it."""
    config = StrawberryConfig(
        scalar_map={
            Odd: strawberry.scalar(name="Odd", serialize=spell, parse_value=lambda value: value)
        }
    )
    made = strawberry.Schema(Query, Mutation, types=[Map, Book], config=config)
    return made._schema

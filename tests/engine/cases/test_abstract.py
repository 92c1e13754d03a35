"""The type of a value whose field is abstract: by `is_type_of`, `resolve_type` or `__typename`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from graphql import (
    GraphQLBoolean,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    build_schema,
)

from tests.engine.cases.both import both, fault, later, now_and_later, same


class Dog(NamedTuple):
    name: str
    woofs: bool


class Cat(NamedTuple):
    name: str
    meows: bool


PETS = [Dog("Odie", True), Cat("Garfield", False)]
ON_INTERFACE = "{ pets { name ... on Dog { woofs } ... on Cat { meows } } }"
ON_UNION = "{ pets { ... on Dog { name woofs } ... on Cat { name meows } } }"
ANSWER = {"pets": [{"name": "Odie", "woofs": True}, {"name": "Garfield", "meows": False}]}
AT = (1, 3)
UNRESOLVED = (
    "Abstract type 'Pet' must resolve to an Object type at runtime for field 'Query.{field}'."
    " Either the 'Pet' type should provide a 'resolve_type' function"
    " or each possible type should provide an 'is_type_of' function."
)


def raising(*_: Any) -> Any:
    raise RuntimeError("We are testing this error")


def is_a(class_: type) -> Callable[..., bool]:
    return lambda value, _info: isinstance(value, class_)


def animal(
    name: str, field: str, interfaces: list[GraphQLInterfaceType], is_type_of: Any
) -> GraphQLObjectType:
    fields = {"name": GraphQLField(GraphQLString), field: GraphQLField(GraphQLBoolean)}
    return GraphQLObjectType(name, fields, interfaces, is_type_of=is_type_of)


def pets_of(type_: Any, *types: GraphQLObjectType, pets: Any = PETS) -> GraphQLSchema:
    field = GraphQLField(GraphQLList(type_), resolve=lambda *_: pets)
    return GraphQLSchema(GraphQLObjectType("Query", {"pets": field}), types=types)


def by_interface(dog: Any, cat: Any, resolve_type: Any = None, pets: Any = PETS) -> GraphQLSchema:
    pet = GraphQLInterfaceType(
        "Pet", {"name": GraphQLField(GraphQLString)}, resolve_type=resolve_type
    )
    types = animal("Dog", "woofs", [pet], dog), animal("Cat", "meows", [pet], cat)
    return pets_of(pet, *types, pets=pets)


def by_union(dog: Any, cat: Any) -> GraphQLSchema:
    types = [animal("Cat", "meows", [], cat), animal("Dog", "woofs", [], dog)]
    return pets_of(GraphQLUnionType("Pet", types))


@now_and_later
@pytest.mark.parametrize(("make", "asked"), [(by_interface, ON_INTERFACE), (by_union, ON_UNION)])
async def test_the_first_type_that_says_it_is_the_one(when, make, asked):
    await both(make(when(is_a(Dog)), when(is_a(Cat))), asked, ANSWER)


async def test_a_type_that_answers_at_once_goes_before_one_that_has_to_be_waited_for():
    await both(by_interface(later(is_a(Dog)), same(is_a(Cat))), ON_INTERFACE, ANSWER)
    await both(by_interface(later(is_a(object)), same(is_a(object))), "{ pets { __typename } }", {
        "pets": [{"__typename": "Cat"}, {"__typename": "Cat"}]
    })  # fmt: skip


@now_and_later
@pytest.mark.parametrize("place", ["is_type_of", "resolve_type"])
async def test_what_asking_for_the_type_raises_is_told_at_the_value(when, place):
    schema = (
        by_interface(when(raising), None)
        if place == "is_type_of"
        else by_interface(None, None, when(raising))
    )
    errors = [fault("We are testing this error", AT, "pets", index) for index in (0, 1)]

    await both(schema, ON_INTERFACE, {"pets": [None, None]}, *errors)


@now_and_later
async def test_a_value_that_no_type_claims_is_null(when):
    schema = by_interface(when(is_a(Cat)), None, pets=PETS[:1])
    error = fault(UNRESOLVED.format(field="pets"), AT, "pets", 0)

    await both(schema, ON_INTERFACE, {"pets": [None]}, error)


@now_and_later
async def test_resolve_type_goes_before_is_type_of(when):
    schema = by_interface(raising, raising, when(lambda pet, *_: type(pet).__name__))
    claimed = [fault("We are testing this error", AT, "pets", index) for index in (0, 1)]

    # The type found is then asked whether the value is of it.
    await both(schema, ON_INTERFACE, {"pets": [None, None]}, *claimed)


@now_and_later
async def test_a_type_that_denies_the_value_it_was_found_for_makes_it_null(when):
    schema = by_interface(when(is_a(Cat)), when(is_a(Cat)), lambda pet, *_: type(pet).__name__)
    denied = "Expected value of type 'Dog' but got: ('Odie', True)."

    await both(
        schema, ON_INTERFACE, {"pets": [None, ANSWER["pets"][1]]}, fault(denied, AT, "pets", 0)
    )


SDL = {
    "interface": """
        interface Pet { name: String }
        type Cat implements Pet { name: String meows: Boolean }
        type Dog implements Pet { name: String woofs: Boolean }
        type Query { pet: Pet pets: [Pet] }
    """,
    "union": """
        union Pet = Cat | Dog
        type Cat { name: String meows: Boolean }
        type Dog { name: String woofs: Boolean }
        type Query { pet: Pet pets: [Pet] }
    """,
}


class Pet:
    __typename = "Pet"


class NamedDog(Pet):
    __typename = "Dog"
    name = "Odie"
    woofs = True


class NamedCat(Pet):
    __typename = "Cat"
    name = "Garfield"
    meows = False


class Tabby(NamedCat):
    """The name of its type is that of the nearest ancestor that has one."""


@pytest.mark.parametrize("kind", SDL)
@pytest.mark.parametrize(
    "pets",
    [
        [{"__typename": "Dog", "name": "Odie", "woofs": True},
         {"__typename": "Cat", "name": "Garfield", "meows": False}],
        [NamedDog(), NamedCat()],
        [NamedDog(), Tabby()],
    ],
    ids=["mappings", "objects", "inheritance"],
)  # fmt: skip
async def test_a_value_names_its_type(kind, pets):
    await both(build_schema(SDL[kind]), ON_UNION, ANSWER, root=lambda: {"pets": pets})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, UNRESOLVED.format(field="pet")),
        (7, UNRESOLVED.format(field="pet")),
        ("Human", ("Abstract type 'Pet' was resolved to a type 'Human'"
                  " that does not exist inside the schema.")),
        ("String", "Abstract type 'Pet' was resolved to a non-object type 'String'."),
        ("Pet", "Abstract type 'Pet' was resolved to a non-object type 'Pet'."),
        ("__Schema", "Runtime Object type '__Schema' is not a possible type for 'Pet'."),
        ("Query", "Runtime Object type 'Query' is not a possible type for 'Pet'."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", SDL)
async def test_a_name_that_is_no_possible_type_makes_the_value_null(kind, name, said):
    await both(
        build_schema(SDL[kind]), "{ pet { __typename } }", {"pet": None}, fault(said, AT, "pet"),
        root=lambda: {"pet": {"__typename": name}},
    )  # fmt: skip


@now_and_later
async def test_an_answer_that_is_no_name_makes_the_value_null(when):
    schema = by_interface(None, None, when(lambda *_: []), pets=[{}])
    said = (
        "Abstract type 'Pet' must resolve to an Object type at runtime for field 'Query.pets'"
        " with value {}, received '[]', which is not a valid Object type name."
    )

    await both(schema, ON_INTERFACE, {"pets": [None]}, fault(said, AT, "pets", 0))


@now_and_later
async def test_a_value_that_is_not_of_its_object_type_is_null(when):
    special = GraphQLObjectType(
        "Special", {"name": GraphQLField(GraphQLString)}, is_type_of=when(is_a(Dog))
    )
    said = "Expected value of type 'Special' but got: ('Garfield', False)."

    await both(
        pets_of(special), "{ pets { name } }", {"pets": [{"name": "Odie"}, None]},
        fault(said, AT, "pets", 1),
    )  # fmt: skip


async def test_an_object_whose_type_has_to_be_waited_for_waits_for_its_fields():
    echo = GraphQLField(GraphQLString, resolve=later(lambda *_: "hello"))
    slow = GraphQLObjectType("Slow", {"echo": echo}, is_type_of=later(is_a(object)))

    await both(
        pets_of(slow, pets=[1, None]), "{ pets { echo } }", {"pets": [{"echo": "hello"}, None]}
    )


@pytest.mark.parametrize("match", [lambda *_: True, raising], ids=["matches", "raises"])
async def test_a_type_nobody_waits_for_any_more_is_waited_for_in_the_background(match):
    """Otherwise Python would warn of a coroutine that was never awaited, and fail this test."""
    schema = by_interface(later(raising), match, pets=[Cat("Garfield", False)])
    answer = {"pets": ANSWER["pets"][1:]}
    error = fault("We are testing this error", AT, "pets", 0)

    if match is raising:
        await both(schema, ON_INTERFACE, {"pets": [None]}, error)
    else:
        await both(schema, ON_INTERFACE, answer)

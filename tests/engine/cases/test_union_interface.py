"""Unions and interfaces: introspection, fragments on abstract types, what a type resolver sees."""

from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    build_schema,
)

from tests.engine.cases.both import both, core_alone

SCHEMA = build_schema("""
schema { query: Person }
interface Named { name: String }
interface Life { progeny: [Life] }
interface Mammal implements Life { progeny: [Mammal] mother: Mammal father: Mammal }
type Dog implements Mammal & Life & Named {
  name: String barks: Boolean progeny: [Dog] mother: Dog father: Dog
}
type Cat implements Mammal & Life & Named {
  name: String meows: Boolean progeny: [Cat] mother: Cat father: Cat
}
union Pet = Dog | Cat
type Person implements Named & Mammal & Life {
  name: String pets: [Pet] friends: [Named] progeny: [Person] mother: Person father: Person
}
""")


@dataclass
class Being:
    name: str
    mother: Any = None
    progeny: list[Any] = field(default_factory=list)

    def born_to(self, name: str) -> Any:
        self.mother = type(self)(name, progeny=[self])
        return self


@dataclass
class Dog(Being):
    _Dog__typename = "Dog"
    barks: bool = True


@dataclass
class Cat(Being):
    _Cat__typename = "Cat"
    meows: bool = False


@dataclass
class Person(Being):
    _Person__typename = "Person"
    pets: list[Any] = field(default_factory=list)
    friends: list[Any] = field(default_factory=list)


LIZ = Person("Liz")
ODIE = Dog("Odie").born_to("Odie's Mom")
GARFIELD = Cat("Garfield").born_to("Garfield's Mom")


def john() -> Person:
    return Person("John", pets=[GARFIELD, ODIE], friends=[LIZ, ODIE])


CAT = {"__typename": "Cat", "name": "Garfield", "meows": False}
DOG = {"__typename": "Dog", "name": "Odie", "barks": True}
FRIENDS = [{"__typename": "Person", "name": "Liz"}, DOG]
WHO = {"__typename": "Person", "name": "John"}


async def test_introspection_tells_of_unions_and_interfaces():
    asked = """
    { Named: __type(name: "Named") { ...All }
      Mammal: __type(name: "Mammal") { ...All }
      Pet: __type(name: "Pet") { ...All } }
    fragment All on __Type {
      kind name fields { name } interfaces { name } possibleTypes { name }
      enumValues { name } inputFields { name }
    }
    """

    def told(kind, name, fields, interfaces, possible):
        named = lambda names: names and [{"name": each} for each in names]  # noqa: E731
        return {
            "kind": kind, "name": name, "fields": named(fields), "interfaces": named(interfaces),
            "possibleTypes": named(possible), "enumValues": None, "inputFields": None,
        }  # fmt: skip

    await both(SCHEMA, asked, {
        "Named": told("INTERFACE", "Named", ["name"], [], ["Dog", "Cat", "Person"]),
        "Mammal": told("INTERFACE", "Mammal", ["progeny", "mother", "father"], ["Life"],
                       ["Dog", "Cat", "Person"]),
        "Pet": told("UNION", "Pet", None, None, ["Dog", "Cat"]),
    })  # fmt: skip


async def test_a_field_that_one_type_of_a_union_lacks_is_not_valid_and_left_out():
    asked = "{ __typename name pets { __typename name barks meows } }"

    await core_alone(
        SCHEMA, asked, "Dog has no field meows", {**WHO, "pets": [CAT, DOG]}, root=john
    )


async def test_a_field_that_one_type_of_an_interface_lacks_is_not_valid_and_left_out():
    asked = "{ __typename name friends { __typename name barks meows } }"

    await core_alone(
        SCHEMA, asked, "Dog has no field meows", {**WHO, "friends": FRIENDS}, root=john
    )


async def test_inline_fragments_choose_fields_of_a_union():
    asked = """{ __typename name pets {
      __typename ... on Dog { name barks } ... on Cat { name meows }
    } }"""

    await both(SCHEMA, asked, {**WHO, "pets": [CAT, DOG]}, root=john)


async def test_inline_fragments_choose_fields_of_an_interface():
    asked = """{ __typename name friends {
      __typename name ... on Dog { barks } ... on Cat { meows }
      ... on Mammal { mother {
        __typename ... on Dog { name barks } ... on Cat { name meows }
      } }
    } }"""
    mother = {"__typename": "Dog", "name": "Odie's Mom", "barks": True}

    await both(
        SCHEMA, asked,
        {**WHO, "friends": [{**FRIENDS[0], "mother": None}, {**DOG, "mother": mother}]}, root=john,
    )  # fmt: skip


async def test_named_fragments_choose_fields_of_an_interface():
    asked = """
    { __typename name friends { __typename name ...DogBarks ...CatMeows } }
    fragment DogBarks on Dog { barks }
    fragment CatMeows on Cat { meows }
    """

    await both(SCHEMA, asked, {**WHO, "friends": FRIENDS}, root=john)


async def test_a_fragment_may_be_on_an_abstract_type():
    asked = """
    { __typename name
      pets { ...PetFields ... on Mammal { mother { ...ProgenyFields } } }
      friends { ...FriendFields } }
    fragment PetFields on Pet {
      __typename ... on Dog { name barks } ... on Cat { name meows }
    }
    fragment FriendFields on Named {
      __typename name ... on Dog { barks } ... on Cat { meows }
    }
    fragment ProgenyFields on Life { progeny { __typename } }
    """
    pets = [
        {**CAT, "mother": {"progeny": [{"__typename": "Cat"}]}},
        {**DOG, "mother": {"progeny": [{"__typename": "Dog"}]}},
    ]

    await both(SCHEMA, asked, {**WHO, "pets": pets, "friends": FRIENDS}, root=john)


async def test_a_type_resolver_sees_the_execution():
    seen = []

    def resolve_type(_value: Any, info: Any, type_: Any) -> str:
        seen.append((info.context, info.schema, info.root_value.name, str(type_)))
        return "Person"

    named = GraphQLInterfaceType(
        "Named", {"name": GraphQLField(GraphQLString)}, resolve_type=resolve_type
    )
    fields = {"name": GraphQLField(GraphQLString), "friends": GraphQLField(GraphQLList(named))}
    schema = GraphQLSchema(GraphQLObjectType("Person", fields, interfaces=[named]))
    context = {"authToken": "123abc"}

    await both(
        schema, "{ name friends { name } }", {"name": "John", "friends": [{"name": "Liz"}]},
        root=lambda: Person("John", friends=[LIZ]), context=context,
    )  # fmt: skip

    assert seen == [(context, schema, "John", "Named")] * 3

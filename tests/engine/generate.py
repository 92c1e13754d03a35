"""Generated cases: a schema, a document, values of its variables, data with faults.

`case(seed)` answers the same case for the same seed. Twenty seeds in a row share a schema.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import DocumentNode, GraphQLSchema, parse

from tests.engine import documents, library, schemas
from tests.engine.dice import Dice
from tests.engine.documents import Asked
from tests.engine.shelf import Shelf
from tests.engine.world import Mode, World

PER_SCHEMA = 20
FAULTS = (0.0, 0.0, 1.0, 3.0, 8.0)


@dataclass
class Case:
    """One document with its schema, and how the world is that answers it."""

    seed: int
    schema: GraphQLSchema
    asked: Asked
    document: DocumentNode
    variables: dict[str, Any]
    faults: float
    kind: type[World] = World

    @property
    def rooted(self) -> bool:
        """Whether there is a root value."""
        return self.seed % 7 > 0

    def world(self, mode: Mode) -> World:
        """A fresh world of this case."""
        return self.kind(self.schema, self.seed, mode, self.faults)

    def root(self, world: World) -> Any:
        """The root value of the operation."""
        return world.root(self.asked.kind.capitalize()) if self.rooted else None


@lru_cache(maxsize=2)
def schema(number: int) -> GraphQLSchema:
    """The schema of a number."""
    return schemas.build(Dice(number))


def cases(seed: int) -> list[Case]:
    """The cases of a seed: one for each set of variables."""
    return made(Dice(seed), schema(seed // PER_SCHEMA), seed, World)


def library_cases(seed: int) -> list[Case]:
    """The same for the Strawberry schema."""
    return made(Dice(~seed), library.schema(), seed, Shelf)


def made(dice: Dice, schema: GraphQLSchema, seed: int, kind: type[World]) -> list[Case]:
    """The cases that dice make for a schema."""
    asked = documents.write(schema, dice)
    document = parse(asked.text)
    faults = dice.pick(FAULTS)
    return [Case(seed, schema, asked, document, values, faults, kind) for values in asked.variables]

"""The schema, and the file that shows it."""

from datetime import date, datetime

import strawberry
from strawberry.schema.config import StrawberryConfig

from mypost.schema.common import DATE, DATETIME, JSON, JSON_SCALAR, MutationPayload, Node
from mypost.schema.mutation import Mutation
from mypost.schema.posts import Target
from mypost.schema.query import Query
from mypost.schema.subscription import Subscription
from mypost.schema.users import User


def _build(*, ordered: bool) -> strawberry.Schema:
    return strawberry.Schema(
        Query,
        Mutation,
        Subscription,
        types=[Node, MutationPayload, User, Target],
        config=StrawberryConfig(
            sort_schema=ordered,
            scalar_map={datetime: DATETIME, date: DATE, JSON: JSON_SCALAR},
            disable_field_suggestions=True,
        ),
    )


# Sorting makes plain copies of Strawberry's enum types, so it is for the text only.
schema = _build(ordered=False)


def sdl() -> str:
    """The schema as text, sorted: the contract, committed as `schema.graphql`."""
    return _build(ordered=True).as_str() + "\n"

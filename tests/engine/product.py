"""Documents on the product's schema; `<post>` and the like stand for ids of a stage."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import get_introspection_query

from mypost.schema.build import schema
from tests.doors import ACCOUNT, BRAND, ERRORS, POST, WORKSPACE
from tests.engine.dice import Dice
from tests.engine.documents import Writer


@dataclass(frozen=True)
class Document:
    """A text, how it is sent, and whether a plan may run it."""

    text: str
    variables: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    by: str = "ann"
    planned: bool = True
    several: bool = False  # errors


D = Document
DASHBOARD = f"""
query Dashboard($brand: ID!, $first: Int = 20, $who: Boolean!) {{
  brand(id: $brand) {{ id name accountCount workspace {{ name viewerPermissions }}
    socialAccounts(first: 10) {{ nodes {ACCOUNT} }}
    posts(first: $first) {{
      nodes {{ ...Post author @include(if: $who) {{ name email }} brand {{ name }} }}
      edges {{ cursor node {{ id content }} }}
      pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    }} }}
  viewer {{ email workspaces {{ id role {{ name }} permissions }} }}
}}
fragment Post on Post {POST}
"""
KINDS = """
fragment Kind on Node { __typename id
  ... on Post { content targets { account { handle } status } }
  ... on Brand { name workspace { slug } } ... on Workspace { name settings { approvalRequired } }
  ... on SocialAccount { handle limits { text { unit max } } }
  ... on Target { network post: account { id } } ... on User { email } ... on Role { name } }
"""
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { ...Kind } }"
EVERYTHING = [f"<{name}>" for name in ("post", "brand", "account", "target", "user", "unknown")]
BRANDS = (
    'query($after: String) { workspace(id: "<workspace>") {'
    " brands(first: 1, after: $after) { nodes { name } } } }"
)
PAGE = (
    'query($after: String, $first: Int) { brand(id: "<brand>") { posts(first: $first, after: '
    "$after) { nodes { content } pageInfo { hasNextPage endCursor } } } }"
)
TWO = "query A { viewer { name } } query B($c: Boolean!) { viewer { email @skip(if: $c) } }"

QUERIES: dict[str, Document] = {
    "dashboard": D(DASHBOARD, {"brand": "<brand>", "who": True}),
    "dashboard without authors": D(DASHBOARD, {"brand": "<brand>", "who": False, "first": 1}),
    "post": D(f"query($id: ID!) {{ post(id: $id) {POST} }}", {"id": "<post>"}),
    "post, literal id": D(f'{{ post(id: "<post>") {POST} }}'),
    "brand": D(f'{{ brand(id: "<brand>") {BRAND} }}'),
    "workspace": D(f'{{ workspace(id: "<workspace>") {WORKSPACE} }}'),
    "account": D(f'{{ socialAccount(id: "<account>") {ACCOUNT} }}'),
    "a list": D(PAGE, {"first": 2}),
    "the next page": D(PAGE, {"first": 2, "after": "<cursor>"}),
    "the pages before": D(
        '{ brand(id: "<brand>") { posts(last: 1) { nodes { content } pageInfo { startCursor } } } }'
    ),
    "a filtered list": D(
        'query($f: PostFilter) { brand(id: "<brand>") { posts(filter: $f) { nodes { id } } } }',
        {"f": {"status": ["SCHEDULED"], "accountId": "<account>"}},
    ),
    "a list of another workspace": D(BRANDS, by="eve"),
    "workspaces": D("{ workspaces(first: 5) { edges { cursor node { name role { name } } } } }"),
    "permissions": D("{ permissions { nodes { __typename } } }"),
    "sessions": D("{ sessions { nodes { id current } } accessTokens { nodes { id } } }"),
    "audit": D(
        '{ auditEvents(workspaceId: "<workspace>", first: 9) { nodes { action createdAt } } }'
    ),
    "node, post": D('{ node(id: "<post>") { ...Kind } }' + KINDS),
    "node, unknown": D('{ node(id: "<unknown>") { ...Kind } }' + KINDS),
    "node, foreign": D('{ node(id: "<foreign>") { ...Kind } }' + KINDS),
    "nodes": D(NODES + KINDS, {"ids": EVERYTHING}),
    "nodes, none": D("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": []}),
    "viewer": D("{ me: viewer { id name email timezone workspaces { id name permissions } } }"),
    "aliases and merged fields": D(
        '{ a: post(id: "<post>") { id targets { id } } a: post(id: "<post>") { content targets '
        '{ status account { name } } } b: post(id: "<other>") { t: __typename phase } __typename }'
    ),
    "conditions": D(
        "query($yes: Boolean = true, $no: Boolean!) { viewer { name @skip(if: $no)"
        " email @include(if: $yes) ... on Viewer @include(if: $no) { timezone }"
        " ...W @skip(if: $yes) } }"
        " fragment W on Viewer { workspaces { id } }",
        {"no": False},
    ),
    "everything left out": D('{ post(id: "<post>") { targets { id @skip(if: true) } } }'),
    "the first of two operations": D(TWO, name="A"),
    "the second of two operations": D(TWO, {"c": True}, name="B"),
    "no operation chosen": D(TWO, planned=False),
    "an unknown operation": D(TWO, name="C", planned=False),
    "unknown post": D(f'{{ post(id: "<unknown>") {POST} viewer {{ name }} }}'),
    "foreign brand": D(f'{{ brand(id: "<foreign>") {BRAND} }}'),
    "an id of another kind": D(f'{{ brand(id: "<post>") {BRAND} }}'),
    "an id that is none": D('{ post(id: "nothing") { id } viewer { name } }'),
    "bad cursor": D(PAGE, {"after": "nothing"}),
    "a cursor of another list": D(BRANDS, {"after": "<cursor>"}),
    "too long a page": D(PAGE, {"first": 101}),
    "a page of less than nothing": D(PAGE, {"first": -1}),
    "two faults": D(
        '{ one: post(id: "<unknown>") { id } two: brand(id: "<unknown>") { id } viewer { name } }',
        several=True,
    ),
    "a missing variable": D("query($id: ID!) { post(id: $id) { id } }", planned=False),
    "a variable of another type": D(
        "query($f: Int) { workspaces(first: $f) { nodes { id } } }", {"f": "x"}, planned=False
    ),
    "nobody": D(DASHBOARD, {"brand": "<brand>", "who": True}, by="nobody"),
    "a token that does not hold": D("{ viewer { name } }", by="stranger"),
    "an unknown field": D("{ viewer { nothing } }", planned=False),
    "no syntax": D("{ viewer {", planned=False),
    "introspection": D(get_introspection_query(input_value_deprecation=True)),
    "a type": D('{ __type(name: "Post") { kind fields { name type { name ofType { name } } } } }'),
}  # fmt: skip

CREATE = (
    f"mutation($i: CreateBrandInput!) {{ createBrand(input: $i) {{ brand {BRAND} {ERRORS} }} }}"
)
RENAME = f"updateBrand(input: $i) {{ brand {{ name version workspace {{ name }} }} {ERRORS} }}"
WRITE = f"mutation($i: CreatePostInput!) {{ createPost(input: $i) {{ post {POST} {ERRORS} }} }}"
SCHEDULE = (
    f"mutation($i: SchedulePostInput!) {{ schedulePost(input: $i) {{ post {POST} {ERRORS} }} }}"
)
PLANNED = "2030-01-01T07:00:00Z"

MUTATIONS: dict[str, Document] = {
    "create a brand": D(CREATE, {"i": {"workspaceId": "<workspace>", "name": "Cafe"}}),
    "create a brand, wrongly": D(
        CREATE, {"i": {"workspaceId": "<workspace>", "name": "", "timezone": "Nowhere"}}
    ),
    "create a brand, foreign": D(CREATE, {"i": {"workspaceId": "<foreign>", "name": "Cafe"}}),
    "rename a brand": D(
        f"mutation($i: UpdateBrandInput!) {{ {RENAME} }}", {"i": {"id": "<brand>", "name": "Bar"}}
    ),
    "rename a brand too late": D(
        f"mutation($i: UpdateBrandInput!) {{ {RENAME} }}",
        {"i": {"id": "<brand>", "name": "Bar", "expectedVersion": 99}},
    ),
    "write a post": D(
        WRITE,
        {"i": {"brandId": "<brand>", "content": "New", "targetAccountIds": ["<account>"]}},
    ),
    "write a post to an unknown account": D(
        WRITE, {"i": {"brandId": "<brand>", "content": "New", "targetAccountIds": ["<unknown>"]}}
    ),
    "schedule": D(SCHEDULE, {"i": {"id": "<post>", "scheduledAt": PLANNED}}),
    "schedule what is unknown": D(SCHEDULE, {"i": {"id": "<unknown>", "scheduledAt": PLANNED}}),
    "schedule into the past": D(
        SCHEDULE, {"i": {"id": "<post>", "scheduledAt": "2001-01-01T07:00:00Z"}}
    ),
    "several, one after the other": D(
        f"mutation($i: UpdateBrandInput!, $p: PostActionInput!) {{ first: {RENAME}"
        f" second: {RENAME} deletePost(input: $p) {{ deletedId {ERRORS} }} }}",
        {"i": {"id": "<brand>", "name": "Twice"}, "p": {"id": "<post>"}},
    ),
    "one fails, the next runs": D(
        f"mutation($p: PostActionInput!, $i: UpdateBrandInput!) {{ cancelPost(input: $p)"
        f" {{ post {{ status }} {ERRORS} }} {RENAME} }}",
        {"i": {"id": "<brand>", "name": "Next"}, "p": {"id": "<unknown>"}},
    ),
    "without permission": D(
        f"mutation($i: UpdateBrandInput!) {{ {RENAME} }}",
        {"i": {"id": "<brand>", "name": "Mine"}}, by="eve",
    ),
    "signed in by nobody": D(
        f"mutation($i: UpdateBrandInput!) {{ {RENAME} }}",
        {"i": {"id": "<brand>", "name": "Mine"}}, by="nobody",
    ),
}  # fmt: skip


def generated(count: int) -> Iterator[Document]:
    """Documents that dice write on the product's schema, with ids of a stage.

    What is left of a rate limit differs from request to request: nobody asks for it.
    """
    seeds = (seed for seed in itertools.count() if "rateLimit" not in _written(seed).text)
    return map(_written, itertools.islice(seeds, count))


def _written(seed: int) -> Document:
    writer = Writer(schema._schema, Dice(seed), left=14)
    text = writer.operation("query", "Any")
    name = ("post", "brand", "workspace", "account", "unknown")[seed % 5]
    text = text.replace('"id"', f'"<{name}>"').replace(": 7", f': "<{name}>"')
    return Document(text, writer.variables.values(faulty=False), several=True)

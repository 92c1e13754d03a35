"""The table and its codec, without a database: what compiles, what is asked, answered and bound."""

import pytest
from graphql import parse, validate

from mypost.errors import NotFound
from mypost.rest.binding import NO_VERSION
from mypost.rest.codec import ENDPOINTS, compile_row, compile_table
from mypost.rest.routes import BASE, ROUTES, Route
from mypost.rest.selection import RowError
from tests.rest.rows import CREATE, GRAPHQL, ID, LIST, TABLE, UPDATE, bind, faults

ROWS = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: str(e.route))


# The table


@ROWS
def test_every_row_is_a_valid_operation(endpoint):
    assert validate(GRAPHQL, parse(endpoint.text)) == []


def test_every_row_is_there_once():
    assert len(TABLE) == len(ROUTES)


@pytest.mark.parametrize(
    ("route", "wrong"),
    [
        (Route("GET", "/x", "nothing"), "Query has no field nothing"),
        (Route("GET", "/x/{id}", "brand.nothing"), "Brand has no field nothing"),
        (Route("POST", "/x", "nothing"), "Mutation has no field nothing"),
        (Route("GET", "/posts", "brand.posts"), "nothing binds the argument id of brand"),
        (Route("GET", "/brand", "brand"), "nothing binds the required argument id"),
        (Route("DELETE", "/posts", "deletePost", 204), "nothing binds the required field id"),
        (Route("GET", "/posts/{postId}", "brand"), "nothing binds the required argument id"),
        (Route("GET", "/me/{x}", "viewer"), "its path parameter x binds nothing"),
        (Route("POST", "/posts/{x}", "cancelPost"), "PostActionInput has no field x"),
        (
            Route("DELETE", "/posts/{id}", "deletePost", 204, query=("force",)),
            "PostActionInput has no field force",
        ),
        (
            Route("GET", "/posts/{id}", "post", include=("friends",)),
            "it includes friends, which Post does not have",
        ),
        (
            Route("GET", "/posts/{id}", "post", include=("targets.friends",)),
            "it includes targets.friends, which Post does not have",
        ),
        (
            Route("GET", "/posts/{id}", "post", omit=("price",)),
            "it omits price, which Post does not have",
        ),
        (
            Route("GET", "/posts/{id}", "post", optional=("price",)),
            "it leaves out price, which Post does not have",
        ),
        (
            Route("POST", "/brands/{brandId}/social-accounts", "connectSocialAccount", 201),
            "its location needs id, which it does not answer",
        ),
        (
            Route("POST", "/posts/{id}", "cancelPost", 201),
            "it creates and must say at which location",
        ),
        (Route("GET", "/x/{id}", "brand.name"), "String is not an object type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_row_names_itself_in_one_sentence(route, wrong):
    with pytest.raises(RowError) as raised:
        compile_row(route, GRAPHQL)
    assert str(raised.value) == f"REST row {route}: {wrong}."


@pytest.mark.parametrize("path", ["/brands/{id}", "/brands/{brandId}"])
def test_two_rows_are_never_one_endpoint(path):
    twice = (Route("GET", "/brands/{id}", "brand"), Route("GET", path, "brand"))
    with pytest.raises(RowError, match=r"^REST row GET /brands/\{\w+\}: .*\.$"):
        compile_table(twice, GRAPHQL)


# What is asked


def test_posts_carry_their_targets_but_no_other_relation():
    assert CREATE.selection.has("targets.error.category")
    for relation in ("author", "brand", "targets.account"):
        assert not CREATE.selection.has(relation)
    assert next(iter(CREATE.selection.fields)) == "id"


def test_an_included_relation_may_lie_deeper():
    route = Route("GET", "/posts/{id}", "post", include=("targets", "targets.account"))
    assert compile_row(route, GRAPHQL).selection.has("targets.account.handle")


def test_value_objects_come_along_and_omitted_fields_do_not():
    assert TABLE["GET /auth/me"].selection.has("workspaces.role.name")
    workspace = TABLE["GET /workspaces/{id}"].selection
    assert workspace.has("settings.allowSelfApproval")
    assert not workspace.has("viewerPermissions")


def test_nothing_is_asked_where_nothing_is_answered():
    text = TABLE["DELETE /posts/{id}"].text
    assert "deletedId" not in text
    assert "userErrors { code message path }" in text


# What is answered


def test_a_page_is_a_list_with_its_cursor():
    nodes = [{"status": "needs_reauth"}, {"status": "active"}]
    info = {"hasNextPage": True, "endCursor": "c"}
    answer = TABLE["GET /brands/{brandId}/social-accounts"].answer
    page = answer.resource({"brand": {"socialAccounts": {"nodes": nodes, "pageInfo": info}}})
    shown = answer.body(page, 2)
    assert shown["data"] == nodes
    assert shown["page"] == {"nextCursor": "c", "hasMore": True, "limit": 2}
    info["hasNextPage"] = False
    assert answer.body({"nodes": [], "pageInfo": info}, None)["page"] == {
        "nextCursor": None,
        "hasMore": False,
        "limit": 50,
    }


def test_a_created_post_is_unwrapped_and_says_where_it_stands():
    post = {"id": ID, "version": 3, "status": "draft", "phase": "draft", "targets": []}
    resource = CREATE.answer.resource({"createPost": {"post": post}})
    shown = CREATE.answer.body(resource, None)
    assert shown == post
    assert CREATE.answer.headers(shown) == {"ETag": '"3"', "Location": f"{BASE}/posts/{ID}"}


def test_the_refresh_token_is_left_out_when_the_cookie_carries_it():
    login = TABLE["POST /auth/login"].answer
    given = {"accessToken": "a", "expiresIn": 900, "refreshToken": None, "refreshExpiresIn": None}
    assert login.body({**given, "user": {}}, None) == {
        "accessToken": "a",
        "expiresIn": 900,
        "user": {},
    }
    assert login.body({**given, "refreshToken": "r", "user": {}}, None)["refreshToken"] == "r"


def test_nothing_found_is_no_resource():
    assert LIST.answer.resource({"brand": None}) is None


# What binds


def test_the_address_and_the_body_meet_in_the_input():
    given = {"content": "x", "targetAccountIds": [ID], "scheduledAt": "2026-01-15T14:00:00Z"}
    assert bind(CREATE, given) == {"input": {**given, "brandId": ID}}


def test_absent_and_null_stay_apart():
    assert bind(UPDATE) == {"input": {"id": ID}}
    assert bind(UPDATE, {"scheduledAt": None})["input"] == {"id": ID, "scheduledAt": None}


def test_enums_are_values_in_bodies():
    given = {"email": "a@b.co", "password": "x", "refreshTokenIn": "body"}
    assert bind(TABLE["POST /auth/login"], given)["input"]["refreshTokenIn"] == "BODY"
    wrong = faults(TABLE["POST /auth/login"], {**given, "refreshTokenIn": "BODY"})
    assert wrong == {"refreshTokenIn": "Must be one of body, cookie"}


def test_the_query_string_becomes_the_filter_and_the_page():
    query = [
        ("status", "draft,scheduled"), ("status", "failed"), ("phase", "needs_confirmation"),
        ("from", "2026-01-01T00:00:00Z"), ("accountId", ID), ("tag", "a,b"), ("limit", "100"),
        ("cursor", "abc"),
    ]  # fmt: skip
    assert bind(LIST, query=query) == {
        "brandId": ID,
        "first": 100,
        "after": "abc",
        "filter": {
            "status": ["DRAFT", "SCHEDULED", "FAILED"],
            "phase": ["NEEDS_CONFIRMATION"],
            "from": "2026-01-01T00:00:00Z",
            "accountId": ID,
            "tag": "a,b",
        },
    }


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "x", "", " 5", "+5", "٣", "9" * 30])
def test_a_bad_limit_is_named(limit):
    assert faults(LIST, query=[("limit", limit)]).keys() == {"limit"}


def test_every_bad_query_parameter_is_named():
    query = [("cursor", "a\0"), ("sort", "x"), ("status", "DRAFT"), ("to", "now"), ("before", "x"),
             ("tag", "a"), ("tag", "b"), ("\0", "x")]  # fmt: skip
    assert faults(LIST, query=query) == {
        "cursor": "Must not contain NUL or half a surrogate pair",
        "sort": "There is no such query parameter",
        "before": "There is no such query parameter",
        "\ufffd": "There is no such query parameter",
        "status.0": "Must be one of draft, failed, published, scheduled",
        "to": "Not a time such as 2026-01-15T14:00:00Z",
        "tag": "Must be given once",
    }
    assert faults(TABLE["GET /auth/me"], query=[("limit", "5")]).keys() == {"limit"}


@pytest.mark.parametrize(("text", "force"), [("true", True), ("false", False)])
def test_force_binds_from_the_query_string(text, force):
    delete = TABLE["DELETE /brands/{id}"]
    assert bind(delete, query=[("force", text)]) == {"input": {"id": ID, "force": force}}
    assert faults(delete, query=[("force", "1")]) == {"force": "Must be true or false"}


@pytest.mark.parametrize(
    ("tag", "version"),
    [('"4"', 4), ('W/"4"', 4), (' "4" ', 4), ("4", NO_VERSION), ('"x"', NO_VERSION),
     ('"4", "5"', NO_VERSION), ('"9999999999"', NO_VERSION), ("", NO_VERSION)],
)  # fmt: skip
def test_if_match_binds_the_version_and_garbage_matches_none(tag, version):
    assert bind(UPDATE, if_match=tag)["input"]["expectedVersion"] == version


def test_any_version_is_no_version():
    assert bind(UPDATE, if_match="*") == bind(UPDATE) == {"input": {"id": ID}}
    assert bind(LIST, if_match='"4"') == {"brandId": ID}


@pytest.mark.parametrize("id", ["", "x", "1", ID[:-1], ID + "0", ID.replace("0", "\0"), "🙂" * 36])
def test_an_address_that_is_no_id_is_not_found(id):
    with pytest.raises(NotFound, match="There is no such post"):
        UPDATE.binding.find({"id": id})
    UPDATE.binding.find({"id": ID})

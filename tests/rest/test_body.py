"""What a body may hold: every fault is named at once, and nothing raises anything else."""

import json
from contextlib import suppress

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mypost.errors import BadRequest, Invalid
from mypost.operation import check
from mypost.rest import body, envelope
from mypost.rest.codec import ENDPOINTS
from mypost.schema.auth import RegisterInput
from tests.rest.rows import CREATE, ID, LIST, TABLE, UPDATE, bind, faults


def test_a_body_names_every_fault_at_once_rules_included():
    given = {"email": "nope", "password": 12345678, "name": "x" * 101, "timezone": "Mars"}
    assert faults(TABLE["POST /auth/register"], given) == {
        "email": "Invalid email format",
        "password": "Must be a string",
        "name": "Must be at most 100 characters, has 101",
        "timezone": "There is no such field",
    }


def test_rules_alone_are_left_to_the_gate():
    given = {"email": "nope", "password": "x"}
    assert bind(TABLE["POST /auth/login"], given) == {"input": given}


def test_what_is_missing_is_required():
    expected = {"content": "Required", "targetAccountIds": "Required"}
    assert faults(CREATE) == expected
    nulls = {"content": None, "targetAccountIds": [None, 7]}
    assert faults(CREATE, nulls) == {
        "content": "Must not be null",
        "targetAccountIds.0": "Must not be null",
        "targetAccountIds.1": "Must be a string",
    }


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"brandId": ID}, "brandId", "Stands in the address, not in the body"),
        ({"content": 1}, "content", "Must be a string"),
        ({"content": 10**18}, "content", "Must be a string"),
        ({"content": ["x"]}, "content", "Must be a string"),
        ({"content": "a\0b"}, "content", "Must not contain NUL or half a surrogate pair"),
        ({"content": "\ud800"}, "content", "Must not contain NUL or half a surrogate pair"),
        ({"tags": ["a", "\udfff"]}, "tags.1", "Must not contain NUL or half a surrogate pair"),
        ({"tags": "a"}, "tags", "Must be a list"),
        ({"tags": {"0": "a"}}, "tags", "Must be a list"),
        ({"targetAccountIds": [[]]}, "targetAccountIds.0", "Must be a string"),
        ({"scheduledAt": 5}, "scheduledAt", "A time is a string such as 2026-01-15T14:00:00Z"),
        ({"scheduledAt": "soon"}, "scheduledAt", "Not a time such as 2026-01-15T14:00:00Z"),
        ({"a\0\ud800": 1}, "a\ufffd\ufffd", "There is no such field"),
        ({"ID": 1, "tags": ["x" * 51]}, "tags", "Must be at most 50 characters, has 51"),
    ],
)
def test_bad_values_are_named(given, path, message):
    found = faults(CREATE, {"content": "x", "targetAccountIds": [ID], **given})
    assert found[path] == message


@pytest.mark.parametrize("version", ["1", 1.0, True, 2**31, -(2**63), []])
def test_an_integer_is_an_integer(version):
    assert faults(UPDATE, {"expectedVersion": version}).keys() == {"expectedVersion"}


def test_rules_of_fields_that_tell_null_from_absent_are_checked_too():
    found = faults(TABLE["PATCH /brands/{id}"], {"description": "x" * 1001, "name": 1})
    assert found.keys() == {"description", "name"}
    assert faults(TABLE["PATCH /brands/{id}"], {"description": None, "name": 1}).keys() == {"name"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"handle": "a\0"}, "Must not contain NUL or half a surrogate pair"),
        ({"a": {"b\ud800": 1}}, "Must not contain NUL or half a surrogate pair"),
        ([float("inf")], "Must not contain infinite numbers"),
        (json.loads("[" * 40 + "]" * 40), "Must not be nested deeper than 32 levels"),
    ],
)
def test_free_json_must_be_storable(value, message):
    found = faults(TABLE["POST /social-connections/{id}"], {"credentials": value})
    assert found == {"credentials": message}


def test_a_flood_of_faults_stays_readable():
    assert len(faults(CREATE, {str(n): n for n in range(5000)})) == 100


@pytest.mark.parametrize(
    "raw",
    [
        b" ", b"{", b"nope", b"NaN", b"[]", b"1", b'"x"', b"null", b"\xff\xfe", b'{"a":"\xff"}',
        b"[" * 100_000, b'{"a":' * 50_000, b"[" * 900 + b"]" * 900, b'{"a":"\\ud800"',
        b'{"a":"\\ud800","b":NaN}', b'{"a":"\\ud800","b":1e999}', b'{"a":"\\udzzz"}',
        b'{"a":"\\ud800","b":' + b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\ud800","b":' + b"9" * 5000 + b"}", b"\xef\xbb\xbf{}", b'["\\ud800"]',
    ],
    ids=lambda raw: repr(raw[:24]),
)  # fmt: skip
def test_what_is_no_json_object_is_refused(raw):
    with pytest.raises(BadRequest, match="The body is not"):
        body.parse(raw)


def test_half_a_surrogate_pair_is_read_so_that_its_field_can_be_named():
    given = body.parse(b'{"content": "\\ud83d", "targetAccountIds": [' + b"9" * 30 + b"]}")
    assert faults(CREATE, given).keys() == {"content", "targetAccountIds.0"}
    assert body.parse(b'{"a": "\\ud83d\\ude00"}') == {"a": "😀"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)  # a larger one is read as a float
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from([ID, "draft", "body", "2026-01-15T14:00:00Z", "0001-01-01T00:00:00+14:00"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = sorted({n for e in ENDPOINTS if e.binding.input for n in e.binding.input.properties})


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), JSON, max_size=6))
def test_any_body_binds_or_is_invalid_and_can_be_answered(given):
    for endpoint in ENDPOINTS:
        if endpoint.binding.reads_body:
            status, said = answered(endpoint, given)
            assert status == 200 or orjson.loads(said)["error"]["code"] == "VALIDATION_ERROR"


def answered(endpoint, given):
    """What a client would be told, or the variables as JSON."""
    try:
        return 200, orjson.dumps(bind(endpoint, given))
    except Invalid as refused:
        response = envelope.from_error(refused, "req_1")
        return response.status_code, response.body


@settings(deadline=None)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_object_or_a_bad_request(raw):
    with suppress(BadRequest):
        assert isinstance(body.parse(raw), dict)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*LIST.binding.query, "x"]), st.text()), max_size=5))
def test_any_query_string_binds_or_is_invalid(query):
    with suppress(Invalid):
        assert bind(LIST, query=query)["brandId"] == ID


def test_what_binds_is_what_the_gate_would_check():
    """The codec and the gate say the same about the same field, in the same words."""
    given = {"email": "nope", "password": "short", "name": " ", "workspaceName": ""}
    codec = faults(TABLE["POST /auth/register"], {**given, "x": 1})
    with pytest.raises(Invalid) as refused:
        check(RegisterInput(email="nope", password="short", name=" ", workspace_name=""))
    assert codec == {**{f.dotted: f.message for f in refused.value.faults}, "x": codec["x"]}

"""Errors as REST spells them."""

import orjson
import pytest
from graphql import GraphQLError

from mypost.errors import Fault, FaultCode, Invalid, RateLimited
from mypost.rest import envelope


def error(response):
    return response.status_code, orjson.loads(response.body)["error"]


@pytest.mark.parametrize(
    ("codes", "status", "code"),
    [
        ([FaultCode.INVALID], 400, "VALIDATION_ERROR"),
        ([FaultCode.NOT_FOUND], 400, "VALIDATION_ERROR"),
        ([FaultCode.INVALID_STATE], 409, "CONFLICT"),
        ([FaultCode.STALE_VERSION], 412, "PRECONDITION_FAILED"),
        ([FaultCode.KEY_REUSED], 422, "IDEMPOTENCY_MISMATCH"),
        ([FaultCode.INVALID_STATE, FaultCode.TOO_LONG], 400, "VALIDATION_ERROR"),
        ([FaultCode.STALE_VERSION, FaultCode.INVALID_STATE], 412, "PRECONDITION_FAILED"),
    ],
)
def test_faults_become_a_status(codes, status, code):
    found = [Fault(("input", "tags", str(i)), "No", c) for i, c in enumerate(codes)]
    answered, said = error(envelope.from_faults(found, "req_1", "post", {"id"}))
    assert (answered, said["code"], said["requestId"]) == (status, code, "req_1")
    assert [d["path"] for d in said["details"]] == [f"tags.{i}" for i in range(len(codes))]
    assert said["message"] == ("No" if len(codes) == 1 else "Some fields are not valid")


def test_an_unknown_id_of_the_address_is_not_found():
    unknown = [Fault(("brandId",), "There is no such brand", FaultCode.NOT_FOUND)]
    status, said = error(envelope.from_faults(unknown, "req_1", "brand", {"brandId"}))
    assert (status, said["code"], said["details"]) == (404, "NOT_FOUND", [])


@pytest.mark.parametrize(("path", "shown"), [("first", "limit"), ("after", "cursor")])
def test_paging_faults_are_named_as_rest_calls_them(path, shown):
    raised = GraphQLError("x", original_error=Invalid([Fault((path,), "No")]))
    status, said = error(envelope.from_graphql([raised], "req_1", "brand", ()))
    assert (status, said["details"]) == (400, [{"path": shown, "message": "No"}])


def test_a_state_has_no_place():
    state = [Fault((), "The post is not scheduled", FaultCode.INVALID_STATE)]
    status, said = error(envelope.from_faults(state, "req_1", "post", ()))
    assert (status, said["message"], said["details"]) == (409, "The post is not scheduled", [])


def test_refusals_say_when_to_come_back():
    response = envelope.from_error(RateLimited("Slow down", retry_after=3), "req_1")
    assert response.status_code == 429
    assert response.headers["retry-after"] == "3"


def test_the_unforeseen_is_masked():
    raised = GraphQLError("secret", path=["post"], original_error=KeyError("secret"))
    status, said = error(envelope.from_graphql([raised], "req_1", "post", ()))
    assert (status, said["code"]) == (500, "INTERNAL_ERROR")
    assert "secret" not in str(said)

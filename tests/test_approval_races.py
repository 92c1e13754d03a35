"""Approve, edit and plan at once: what nobody approved is never planned, and never goes out."""

import asyncio
import random

from tests.client import Api, Person
from tests.conftest import House
from tests.doors import Door

ROUNDS = 40


async def test_nothing_unapproved_goes_out_whoever_is_first(
    door: Door, house: House, api: Api, ann: Person
) -> None:
    """Bob approves "good" words while Ann makes "bad" ones of them and plans the post."""
    dice = random.Random(11)
    bob = await api.colleague(ann, "Manager")
    await door.call(ann, "update_workspace", id=ann.workspace, settings={"approvalRequired": True})
    accounts = [await ann.account(handle=f"races-{ann.brand[-6:]}-{i}") for i in range(4)]
    over, went_out = asyncio.Event(), 0

    async def dispatch() -> None:
        while not over.is_set():
            await house.dispatcher.run_once()
            await asyncio.sleep(0)

    async def chain(who: Person, moves: list[tuple[str, dict[str, str]]]) -> list[str | None]:
        return [(await door.call(who, operation, **given)).code for operation, given in moves]

    async def play(round: int) -> int:
        good, bad = (f"{ann.brand} {round} {kind}" for kind in ("good", "bad"))
        post = (await ann.post(accounts[round % 4], content=good))["id"]
        asked = (await door.call(ann, "submit_post_for_approval", id=post)).ok["id"]
        bobs = [("approve_approval", {"id": asked}), ("publish_post", {"id": post})]
        # She looks a while before she edits, so that each of them is first at times.
        anns = [("post", {"id": post})] * dice.randrange(12)
        anns += [("update_post", {"id": post, "content": bad}), ("publish_post", {"id": post})]
        said = await asyncio.gather(
            *(chain(who, moves) for who, moves in ((bob, bobs), (ann, anns)))
        )
        assert {code for codes in said for code in codes} <= {None, "CONFLICT"}
        # Whatever they made of it: planning it now works only if it is what Bob approved.
        await door.call(ann, "publish_post", id=post)
        return 1 if (await door.call(ann, "post", id=post)).ok["phase"] != "draft" else 0

    worker = asyncio.create_task(dispatch())
    for start in range(0, ROUNDS, 4):
        went_out += sum(await asyncio.gather(*(play(start + i) for i in range(4))))
    over.set()
    await worker
    await house.work()

    held = (await api.http.get("/networks/sandbox/posts.json?limit=1000")).json()["posts"]
    mine = [post["text"] for post in held if post["text"].startswith(ann.brand)]
    assert [text for text in mine if not text.endswith("good")] == []
    assert len(set(mine)) == len(mine)
    assert 0 < len(mine) < ROUNDS, "both outcomes were seen"
    assert went_out == len(mine)
    loose = await house.value(
        "SELECT count(*) FROM targets t JOIN posts p ON p.id = t.post_id WHERE p.workspace_id = $1"
        " AND t.state NOT IN ('pending', 'published')",
        ann.workspace,
    )
    assert loose == 0


async def test_approval_is_demanded_while_posts_are_planned(
    house: House, api: Api, ann: Person
) -> None:
    """Either the plan came first and the demand is refused, or the plan is refused."""
    for _ in range(30):
        post = (await ann.post(await ann.account()))["id"]
        settings = {"settings": {"approvalRequired": True}}
        plan, asked = await asyncio.gather(
            ann.rest("POST", f"/posts/{post}/schedule", {"scheduledAt": "2031-01-01T00:00:00Z"}),
            ann.rest("PATCH", f"/workspaces/{ann.workspace}", settings),
        )
        assert sorted((plan.status_code, asked.status_code)) == [200, 409]
        await ann.rest("DELETE", f"/posts/{post}")
        settings["settings"]["approvalRequired"] = False
        await ann.rest("PATCH", f"/workspaces/{ann.workspace}", settings)


async def test_two_decide_at_once(api: Api, house: House, ann: Person) -> None:
    people = [await api.colleague(ann, "Manager") for _ in range(3)]
    for _ in range(10):
        post = (await ann.post())["id"]
        id = (await ann.rest("POST", f"/posts/{post}/approvals")).json()["id"]

        answers = await asyncio.gather(
            people[0].rest("POST", f"/approvals/{id}/approve"),
            people[1].rest("POST", f"/approvals/{id}/reject", {"reason": "No"}),
            people[2].rest("POST", f"/approvals/{id}/approve"),
            ann.rest("POST", f"/approvals/{id}/withdraw"),
            ann.rest("POST", f"/posts/{post}/approvals"),
        )

        codes = [a.status_code for a in answers[:4]]
        assert sorted(codes) == [200, 409, 409, 409]
        said = (await ann.rest("GET", f"/approvals/{id}")).json()
        assert said == answers[codes.index(200)].json()
        open_ones = await house.value(
            "SELECT count(*) FROM approvals WHERE post_id = $1"
            " AND status IN ('pending', 'approved')",
            post,
        )
        assert open_ones <= 1

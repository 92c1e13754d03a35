"""Everybody at once: editors, cancellers and the dispatcher on the same posts and accounts."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from uuid import uuid4

from mypost import clock
from tests.client import Api, Person
from tests.conftest import House
from tests.doors import Door
from tests.test_posts import at, held_texts, published

ROUNDS, AT_ONCE = 400, 16


async def test_a_crowd_never_breaks_a_post(api: Api, house: House, ann: Person) -> None:
    """400 operations of seven kinds on eight posts and four accounts, while posts go out."""
    dice = random.Random(7)
    accounts = [await ann.account(handle=f"crowd-{ann.brand[-6:]}-{i}") for i in range(4)]
    posts = [
        (await ann.post(*dice.sample(accounts, 2), content=f"{ann.brand} {i}"))["id"]
        for i in range(8)
    ]
    answers: Counter[int] = Counter()

    def move(post: str) -> tuple[str, str, dict | None]:
        soon = (clock.now() + timedelta(milliseconds=dice.randrange(300))).isoformat()
        return dice.choice(
            [
                ("POST", f"/posts/{post}/schedule", {"scheduledAt": soon}),
                ("POST", f"/posts/{post}/schedule", {"scheduledAt": soon}),
                ("POST", f"/posts/{post}/cancel", None),
                ("POST", f"/posts/{post}/cancel", None),
                ("PATCH", f"/posts/{post}", {"content": f"{ann.brand} {dice.random()}"}),
                ("PATCH", f"/posts/{post}", {"targetAccountIds": dice.sample(accounts, 2)}),
                ("GET", f"/posts/{post}", None),
            ]
        )

    async def crowd() -> None:
        for _ in range(ROUNDS // AT_ONCE):
            answers[(await ann.rest(*move(dice.choice(posts)))).status_code] += 1

    over = asyncio.Event()

    async def dispatch() -> None:
        while not over.is_set():
            await house.dispatcher.run_once()
            await asyncio.sleep(0)

    worker = asyncio.create_task(dispatch())
    await asyncio.gather(*(crowd() for _ in range(AT_ONCE)))
    over.set()
    await worker

    assert set(answers) <= {200, 409}
    assert answers[200] > 50
    held = (await api.http.get("/networks/sandbox/posts.json?limit=1000")).json()["posts"]
    mine = [post for post in held if post["text"].startswith(ann.brand)]
    assert len({post["key"] for post in mine}) == len(mine)
    live = await house.owner.fetch(
        "SELECT dispatch_key FROM targets WHERE workspace_id = $1 AND state = 'published'",
        ann.workspace,
    )
    assert {post["key"] for post in mine} == {str(row.dispatch_key) for row in live}


async def test_an_edit_is_what_goes_out_or_is_refused(
    house: House, door: Door, ann: Person
) -> None:
    """Twenty posts that are due, edited while they are being sent."""
    accounts = [await ann.account() for _ in range(5)]
    texts = [f"Edit {uuid4()}" for _ in range(20)]
    due = {"scheduledAt": at(seconds=-10)}
    posts = [await ann.post(accounts[n % 5], content=t, **due) for n, t in enumerate(texts)]

    *answers, _ = await asyncio.gather(
        *(
            door.call(ann, "update_post", id=post["id"], content=f"New {text}")
            for post, text in zip(posts, texts, strict=True)
        ),
        house.dispatcher.drain(),
    )
    await house.work()

    held = await held_texts(ann)
    for answer, text, post in zip(answers, texts, posts, strict=True):
        after = (await door.call(ann, "post", id=post["id"])).ok
        ends = {None: (f"New {text}", 0, 1), "CONFLICT": (text, 1, 0)}
        found = (after["content"], held.count(text), held.count(f"New {text}"))
        assert (after["phase"], found) == ("published", ends[answer.code])


async def test_retries_while_it_is_being_sent_send_once(
    house: House, door: Door, ann: Person
) -> None:
    """Five refused posts, each sent again by three people at once and by the dispatcher."""
    handles, texts = ([f"{name}-{uuid4().hex[:8]}" for _ in range(5)] for name in ("retry", "text"))
    posts = []
    for handle, text in zip(handles, texts, strict=True):
        account = await ann.account("rejected", handle)
        posts.append(await published(house, ann, account, content=text))
        await ann.account("ok", handle)
    named = [{"id": post["id"], "targetId": post["targets"][0]["id"]} for post in posts]
    over = asyncio.Event()

    async def dispatch() -> None:
        while not over.is_set():
            await house.dispatcher.run_once()
            await asyncio.sleep(0)

    worker = asyncio.create_task(dispatch())
    answers = await asyncio.gather(*(door.call(ann, "retry", **each) for each in named * 3))
    over.set()
    await worker
    await house.work()

    assert Counter(answer.code for answer in answers) == {None: 5, "CONFLICT": 10}
    held = await held_texts(ann)
    assert [held.count(text) for text in texts] == [1] * 5


async def test_the_database_is_never_left_between_two_states(house: House) -> None:
    """Run after the crowd: lanes and phases are what their targets make of them."""
    wrong = await house.owner.fetch(
        "SELECT p.id FROM posts p WHERE p.phase <> post_phase(p) AND p.deleted_at IS NULL"
    )
    idle = await house.owner.fetch(
        "SELECT l.account_id FROM lanes l WHERE l.next_due_at IS DISTINCT FROM ("
        " SELECT min(t.due_at) FROM targets t WHERE t.account_id = l.account_id"
        " AND t.state = 'scheduled')"
    )

    assert (wrong, idle) == ([], [])

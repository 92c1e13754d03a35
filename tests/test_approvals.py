"""Approvals: asked for, decided once by somebody else, bound to the exact content."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.client import Api, Person, Socket
from tests.conftest import House
from tests.doors import Door

NEW_YEAR = "2031-01-01T00:00:00Z"
FIELDS = {
    "id", "postId", "status", "requestedBy", "requestedAt", "decidedBy", "decidedAt", "reason",
    "contentHash",
}  # fmt: skip
QUEUE = (
    "query($id: ID!, $filter: ApprovalFilter, $first: Int, $after: String) { workspace(id: $id)"
    " { approvals(filter: $filter, first: $first, after: $after)"
    " { nodes { id status post { id } requester { name } } pageInfo { endCursor } } } }"
)
REJECT = (
    "mutation($i: RejectApprovalInput!) { rejectApproval(input: $i)"
    " { approval { status } userErrors { code } } }"
)
LIVE = """
subscription($workspaceId: ID!, $brandId: ID, $after: String) {
  approvalChanged(workspaceId: $workspaceId, brandId: $brandId, after: $after) {
    ... on ApprovalEvent {
      cursor type previousStatus status approval { id status reason post { phase } }
    }
    ... on ResyncRequired { cursor reason }
  }
}
"""


@pytest.fixture
async def bob(api: Api, ann: Person) -> Person:
    """Ann's colleague, who may publish."""
    return await api.colleague(ann, "Manager")


async def demand(house: House, ann: Person) -> None:
    """Ann's workspace demands approval."""
    await house.owner.execute(
        "UPDATE workspaces SET approval_required = true WHERE id = $1", ann.workspace
    )


async def submitted(ann: Person, **given: Any) -> tuple[str, str]:
    """A post of Ann's under review, and the request."""
    post = (await ann.post(await ann.account(), **given))["id"]
    answer = await ann.rest("POST", f"/posts/{post}/approvals")
    assert answer.status_code == 201, answer.text
    return post, answer.json()["id"]


async def approved(ann: Person, bob: Person, **given: Any) -> tuple[str, str]:
    """A post of Ann's that Bob has approved, and the request."""
    post, id = await submitted(ann, **given)
    answer = await bob.rest("POST", f"/approvals/{id}/approve")
    assert answer.status_code == 200, answer.text
    return post, id


async def test_a_post_is_submitted(door: Door, ann: Person) -> None:
    post = (await ann.post(await ann.account()))["id"]

    asked = (await door.call(ann, "submit_post_for_approval", id=post)).ok

    assert asked.keys() == FIELDS
    assert (asked["postId"], asked["status"], asked["requestedBy"]) == (post, "pending", ann.id)
    assert (asked["decidedBy"], asked["decidedAt"], asked["reason"]) == (None, None, None)
    assert len(asked["contentHash"]) == 64
    assert (await door.call(ann, "approval", id=asked["id"])).ok == asked
    found = (await door.call(ann, "post", id=post)).ok
    assert (found["phase"], found["status"], found["approval"]) == (
        "pending_approval", "draft", asked,
    )  # fmt: skip


async def test_a_submission_says_where_it_stands(ann: Person) -> None:
    post = (await ann.post())["id"]

    answer = await ann.rest("POST", f"/posts/{post}/approvals")

    assert answer.headers["location"] == f"/api/v1/approvals/{answer.json()['id']}"


async def test_somebody_else_approves(door: Door, ann: Person, bob: Person) -> None:
    post, id = await submitted(ann)

    said = (await door.call(bob, "approve_approval", id=id)).ok

    assert (said["status"], said["decidedBy"], said["reason"]) == ("approved", bob.id, None)
    assert said["decidedAt"] is not None
    assert (await door.call(ann, "post", id=post)).ok["phase"] == "approved"


async def test_a_rejection_says_why_and_the_post_can_come_again(
    door: Door, ann: Person, bob: Person
) -> None:
    post, id = await submitted(ann)

    said = (await door.call(bob, "reject_approval", id=id, reason=" revise the hashtags ")).ok
    found = (await door.call(ann, "post", id=post)).ok
    again = (await door.call(ann, "submit_post_for_approval", id=post)).ok

    assert (said["status"], said["reason"], said["decidedBy"]) == (
        "rejected", "revise the hashtags", bob.id,
    )  # fmt: skip
    assert (found["phase"], found["status"]) == ("rejected", "draft")
    assert again["id"] != id
    assert again["contentHash"] == said["contentHash"]
    assert (await door.call(ann, "post", id=post)).ok["approval"]["status"] == "pending"


async def test_a_rejection_without_a_reason_is_refused(
    door: Door, house: House, ann: Person, bob: Person
) -> None:
    _, id = await submitted(ann)
    before = await house.digest()

    for reason in ("", "  ", "x" * 1001):
        answer = await door.call(bob, "reject_approval", id=id, reason=reason)
        assert (answer.code, answer.paths) == ("VALIDATION_ERROR", {"reason"})

    assert await house.digest() == before


async def test_a_request_is_withdrawn(door: Door, ann: Person) -> None:
    post, id = await submitted(ann)

    said = (await door.call(ann, "withdraw_approval", id=id)).ok

    assert (said["status"], said["decidedBy"]) == ("withdrawn", None)
    assert (await door.call(ann, "post", id=post)).ok["phase"] == "draft"


@pytest.mark.parametrize("settled", ["approved", "rejected", "withdrawn", "voided"])
async def test_a_request_is_settled_once(
    door: Door, house: House, ann: Person, bob: Person, settled: str
) -> None:
    post, id = await submitted(ann)
    await {
        "approved": lambda: bob.rest("POST", f"/approvals/{id}/approve"),
        "rejected": lambda: bob.rest("POST", f"/approvals/{id}/reject", {"reason": "No"}),
        "withdrawn": lambda: ann.rest("POST", f"/approvals/{id}/withdraw"),
        "voided": lambda: ann.rest("PATCH", f"/posts/{post}", {"content": "Other"}),
    }[settled]()
    assert (await door.call(ann, "approval", id=id)).ok["status"] == settled
    before = await house.digest()

    for answer in (
        await door.call(bob, "approve_approval", id=id),
        await door.call(bob, "reject_approval", id=id, reason="No"),
        await door.call(bob, "withdraw_approval", id=id),
    ):
        assert answer.code == "CONFLICT"

    assert await house.digest() == before


async def test_a_decision_sent_again_by_key_is_answered_again(ann: Person, bob: Person) -> None:
    _, first = await submitted(ann)
    _, second = await submitted(ann)
    path, key = f"/approvals/{first}/approve", {"idempotency-key": "once"}
    rejection = {"id": second, "reason": "no", "idempotencyKey": "once too"}

    said = [await bob.rest("POST", path, headers=key) for _ in range(2)]
    told = [(await bob.gql(REJECT, i=rejection))["data"]["rejectApproval"] for _ in range(2)]

    assert [answer.status_code for answer in said] == [200, 200]
    assert said[0].content == said[1].content
    assert said[1].headers["idempotency-replayed"] == "true"
    assert told[0] == told[1] == {"approval": {"status": "REJECTED"}, "userErrors": []}


async def test_only_a_draft_is_submitted(
    door: Door, house: House, ann: Person, bob: Person
) -> None:
    pending, _ = await submitted(ann)
    done, _ = await approved(ann, bob)
    planned = (await ann.post(await ann.account(), scheduledAt=NEW_YEAR))["id"]
    draft = (await ann.post())["id"]
    before = await house.digest()

    for post in (pending, done, planned):
        assert (await door.call(ann, "submit_post_for_approval", id=post)).code == "CONFLICT"
    stale = await door.call(ann, "submit_post_for_approval", id=draft, expectedVersion=7)

    assert stale.code == "PRECONDITION_FAILED"
    assert before == await house.digest()
    assert (
        await house.value("SELECT count(*) FROM approvals WHERE workspace_id = $1", ann.workspace)
        == 2
    )


async def test_nobody_decides_his_own_submission(
    door: Door, house: House, ann: Person, bob: Person
) -> None:
    _, id = await submitted(ann)
    before = await house.digest()

    assert (await door.call(ann, "approve_approval", id=id)).code == "FORBIDDEN"
    assert (await door.call(ann, "reject_approval", id=id, reason="No")).code == "FORBIDDEN"
    assert await house.digest() == before

    settings = {"allowSelfApproval": True}
    told = (await door.call(ann, "update_workspace", id=ann.workspace, settings=settings)).ok
    assert told["settings"] == {"approvalRequired": False, "allowSelfApproval": True}
    assert (await door.call(ann, "approve_approval", id=id)).ok["decidedBy"] == ann.id


async def test_who_works_alone_decides_for_himself(
    door: Door, house: House, api: Api, ann: Person
) -> None:
    _, first = await submitted(ann)
    _, second = await submitted(ann)

    assert (await door.call(ann, "approve_approval", id=first)).ok["status"] == "approved"
    await api.colleague(ann, "Analyst")
    before = await house.digest()
    assert (await door.call(ann, "approve_approval", id=second)).code == "FORBIDDEN"
    assert await house.digest() == before


async def test_the_database_lets_nobody_decide_his_own(
    house: House, ann: Person, bob: Person
) -> None:
    _, id = await submitted(ann)

    with pytest.raises(asyncpg.CheckViolationError, match="his own request"):
        await house.owner.execute(
            "UPDATE approvals SET status = 'approved', decided_by = requested_by,"
            " decided_at = mypost_now() WHERE id = $1",
            id,
        )


async def test_a_contributor_submits_and_withdraws_his_own(
    door: Door, house: House, api: Api, ann: Person
) -> None:
    carl = await api.colleague(ann, "Contributor")
    own, other = (await carl.post())["id"], (await ann.post())["id"]
    _, hers = await submitted(ann)
    mine = (await door.call(carl, "submit_post_for_approval", id=own)).ok["id"]
    before = await house.digest()

    assert (await door.call(carl, "submit_post_for_approval", id=other)).code == "FORBIDDEN"
    assert (await door.call(carl, "withdraw_approval", id=hers)).code == "FORBIDDEN"
    assert (await door.call(carl, "approve_approval", id=hers)).code == "FORBIDDEN"
    assert await house.digest() == before
    assert (await door.call(carl, "withdraw_approval", id=mine)).ok["status"] == "withdrawn"


EDITS: dict[str, Any] = {
    "content": lambda ann: {"content": "Other words"},
    "another account": lambda ann: {"targetAccountIds": ann.account()},
    "no account": lambda ann: {"targetAccountIds": []},
}


async def edit(ann: Person, name: str) -> dict[str, Any]:
    given = EDITS[name](ann)
    return {k: [await v] if hasattr(v, "__await__") else v for k, v in given.items()}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("was", ["pending", "approved"])
async def test_editing_voids(
    door: Door, house: House, ann: Person, bob: Person, was: str, name: str
) -> None:
    post, id = await (submitted(ann) if was == "pending" else approved(ann, bob))

    changed = (await door.call(ann, "update_post", id=post, **await edit(ann, name))).ok

    before = await house.digest()
    assert (changed["phase"], changed["approval"]["status"]) == ("draft", "voided")
    assert (await door.call(bob, "approve_approval", id=id)).code == "CONFLICT"
    assert await house.digest() == before


async def test_what_no_network_is_told_voids_nothing(door: Door, ann: Person, bob: Person) -> None:
    post, _ = await approved(ann, bob)

    tagged = (await door.call(ann, "update_post", id=post, tags=["spring"])).ok
    same = (await door.call(ann, "update_post", id=post, content=tagged["content"])).ok
    timed = (await door.call(ann, "schedule_post", id=post, scheduledAt=NEW_YEAR)).ok
    later = (await door.call(ann, "schedule_post", id=post, scheduledAt="2031-02-01T00:00:00Z")).ok
    back = (await door.call(ann, "cancel_post", id=post)).ok

    assert [x["phase"] for x in (tagged, same, timed, later, back)] == [
        "approved", "approved", "scheduled", "scheduled", "approved",
    ]  # fmt: skip
    assert back["approval"]["status"] == "approved"


async def test_the_words_of_one_target_are_part_of_what_is_approved(
    house: House, ann: Person, bob: Person
) -> None:
    for change in ("content = 'Only here'", "options = '{\"spoiler\": true}'"):
        post, id = await approved(ann, bob)
        await house.owner.execute(f"UPDATE targets SET {change} WHERE post_id = $1", post)
        assert (await ann.rest("GET", f"/approvals/{id}")).json()["status"] == "voided"


async def test_words_for_one_account_void(door: Door, ann: Person, bob: Person) -> None:
    post, _ = await approved(ann, bob)
    account = (await door.call(ann, "post", id=post)).ok["targetAccountIds"][0]

    own = [{"accountId": account, "content": "Only here"}]
    changed = (await door.call(ann, "update_post", id=post, targets=own)).ok

    assert (changed["phase"], changed["approval"]["status"]) == ("draft", "voided")


async def test_a_deleted_post_takes_its_open_request_along(
    door: Door, house: House, ann: Person, bob: Person
) -> None:
    post, id = await submitted(ann)

    await door.call(ann, "delete_post", id=post)

    before = await house.digest()
    assert (await door.call(ann, "approval", id=id)).ok["status"] == "voided"
    assert (await door.call(bob, "approve_approval", id=id)).code == "CONFLICT"
    assert await house.digest() == before
    said = await ann.gql("query($id: ID!) { approval(id: $id) { post { id } } }", id=id)
    assert said["data"]["approval"] == {"post": None}


async def test_an_account_that_goes_voids_nothing(door: Door, ann: Person, bob: Person) -> None:
    first, second = await ann.account(), await ann.account()
    post = (await ann.post(first, second))["id"]
    id = (await ann.rest("POST", f"/posts/{post}/approvals")).json()["id"]
    await bob.rest("POST", f"/approvals/{id}/approve")

    await door.call(ann, "disconnect", id=second)

    assert (await door.call(ann, "post", id=post)).ok["phase"] == "approved"


async def test_nothing_unapproved_is_planned_where_approval_is_demanded(
    door: Door, house: House, ann: Person, bob: Person
) -> None:
    account = await ann.account()
    draft = (await ann.post(account))["id"]
    pending, _ = await submitted(ann)
    refused, id = await submitted(ann)
    await bob.rest("POST", f"/approvals/{id}/reject", {"reason": "No"})
    changed, _ = await approved(ann, bob)
    await ann.rest("PATCH", f"/posts/{changed}", {"content": "Other"})
    await demand(house, ann)
    before = await house.digest()

    for post in (draft, pending, refused, changed):
        for answer in (
            await door.call(ann, "schedule_post", id=post, scheduledAt=NEW_YEAR),
            await door.call(ann, "publish_post", id=post),
            await door.call(ann, "update_post", id=post, scheduledAt=NEW_YEAR),
        ):
            assert answer.code == "CONFLICT"
    made = await door.call(
        ann, "create_post", brandId=ann.brand, content="N", targetAccountIds=[account],
        scheduledAt=NEW_YEAR,
    )  # fmt: skip

    assert made.code == "CONFLICT"
    assert await house.digest() == before


async def test_a_copy_of_what_is_approved_is_not(ann: Person, bob: Person) -> None:
    post, _ = await approved(ann, bob)

    copy = (await ann.rest("POST", f"/posts/{post}/duplicate")).json()

    assert (copy["phase"], copy["approval"]) == ("draft", None)


async def test_what_is_approved_goes_out(
    door: Door, house: House, api: Api, ann: Person, bob: Person
) -> None:
    await demand(house, ann)
    post, _ = await approved(ann, bob, content=f"Approved {ann.brand}")

    planned = (await door.call(ann, "publish_post", id=post)).ok
    await house.work()

    assert planned["phase"] == "publishing"
    found = (await door.call(ann, "post", id=post)).ok
    assert (found["phase"], found["approval"]["status"]) == ("published", "approved")


@pytest.mark.parametrize("name", ["content", "another account"])
async def test_editing_a_planned_post_takes_it_back_where_approval_is_demanded(
    door: Door, house: House, ann: Person, bob: Person, name: str
) -> None:
    await demand(house, ann)
    post, _ = await approved(ann, bob)
    await ann.rest("POST", f"/posts/{post}/schedule", {"scheduledAt": NEW_YEAR})

    changed = (await door.call(ann, "update_post", id=post, **await edit(ann, name))).ok

    assert (changed["phase"], changed["scheduledAt"]) == ("draft", None)
    assert changed["approval"]["status"] == "voided"
    assert {t["status"] for t in changed["targets"]} <= {"pending"}
    again = await door.call(ann, "schedule_post", id=post, scheduledAt=NEW_YEAR)
    assert again.code == "CONFLICT"


async def test_editing_a_planned_post_and_its_time_is_refused_whole(
    door: Door, house: House, ann: Person, bob: Person
) -> None:
    await demand(house, ann)
    post, _ = await approved(ann, bob)
    await ann.rest("POST", f"/posts/{post}/schedule", {"scheduledAt": NEW_YEAR})
    before = await house.digest()

    answer = await door.call(
        ann, "update_post", id=post, content="Other", scheduledAt="2031-02-01T00:00:00Z"
    )

    assert answer.code == "CONFLICT"
    assert await house.digest() == before


async def test_editing_a_planned_post_elsewhere_only_voids(
    door: Door, ann: Person, bob: Person
) -> None:
    post, _ = await approved(ann, bob)
    await ann.rest("POST", f"/posts/{post}/schedule", {"scheduledAt": NEW_YEAR})

    changed = (await door.call(ann, "update_post", id=post, content="Other")).ok

    assert (changed["phase"], changed["approval"]["status"]) == ("scheduled", "voided")


async def test_the_database_plans_nothing_unapproved_for_anybody(house: House, ann: Person) -> None:
    await demand(house, ann)
    post = (await ann.post(await ann.account()))["id"]

    with pytest.raises(asyncpg.PostgresError, match="demands approval"):
        await house.owner.execute(
            "UPDATE targets SET state = 'scheduled', due_at = mypost_now() WHERE post_id = $1", post
        )


async def test_the_dispatcher_sends_nothing_that_lost_its_approval(
    house: House, api: Api, ann: Person, bob: Person
) -> None:
    """What no trigger saw is found when the target is claimed: it goes back, and says so."""
    await demand(house, ann)
    post, _ = await approved(ann, bob, content=f"Words {ann.brand}")
    await ann.rest("POST", f"/posts/{post}/publish")
    async with house.owner.acquire() as connection, connection.transaction():
        await connection.execute("ALTER TABLE posts DISABLE TRIGGER edited")
        await connection.execute(
            "UPDATE posts SET content = $2 WHERE id = $1", post, f"Slipped {ann.brand}"
        )
        await connection.execute("ALTER TABLE posts ENABLE TRIGGER edited")

    await house.work()

    found = (await ann.rest("GET", f"/posts/{post}")).json()
    assert (found["phase"], found["targets"][0]["status"]) == ("approved", "pending")
    assert f"Slipped {ann.brand}" not in await sent(api)
    told = await ann.rest(
        "GET", f"/workspaces/{ann.workspace}/audit-events?action=post.cancelled&resourceId={post}"
    )
    assert told.json()["data"][0]["metadata"]["reason"] == "approval_required"


async def sent(api: Api) -> set[str]:
    held = (await api.http.get("/networks/sandbox/posts.json?limit=1000")).json()["posts"]
    return {post["text"] for post in held}


async def test_approval_is_not_demanded_behind_the_back_of_planned_posts(
    door: Door, house: House, ann: Person, bob: Person
) -> None:
    first, _ = await approved(ann, bob)
    second = (await ann.post(await ann.account(), scheduledAt=NEW_YEAR))["id"]
    await ann.rest("POST", f"/posts/{first}/schedule", {"scheduledAt": NEW_YEAR})
    settings = {"approvalRequired": True}
    before = await house.digest()

    refused = await door.call(ann, "update_workspace", id=ann.workspace, settings=settings)

    assert (refused.code, refused.paths) == ("CONFLICT", {"settings.approvalRequired"})
    assert refused.details[0][1].startswith("1 planned posts")
    assert await house.digest() == before
    await ann.rest("POST", f"/posts/{second}/cancel")
    told = (await door.call(ann, "update_workspace", id=ann.workspace, settings=settings)).ok
    assert told["settings"] == {"approvalRequired": True, "allowSelfApproval": False}
    assert (await door.call(ann, "post", id=first)).ok["phase"] == "scheduled"


async def test_another_tenants_request_does_not_exist(
    door: Door, house: House, ann: Person, eve: Person
) -> None:
    post, id = await submitted(eve)
    before = await house.digest()

    for wanted in (id, id[:-4] + "0000"):
        for answer in (
            await door.call(ann, "approval", id=wanted),
            await door.call(ann, "approve_approval", id=wanted),
            await door.call(ann, "reject_approval", id=wanted, reason="No"),
            await door.call(ann, "withdraw_approval", id=wanted),
        ):
            assert answer.code == "NOT_FOUND"
    assert (await door.call(ann, "submit_post_for_approval", id=post)).code == "NOT_FOUND"
    assert (await ann.rest("GET", f"/workspaces/{eve.workspace}/approvals")).status_code == 404
    said = await ann.gql("query($id: ID!) { node(id: $id) { id } }", id=id)
    assert said["data"]["node"] is None
    assert await house.digest() == before


async def test_the_queue_is_listed(ann: Person, bob: Person) -> None:
    _, first = await submitted(ann)
    _, second = await approved(ann, bob)
    _, third = await submitted(ann)
    path = f"/workspaces/{ann.workspace}/approvals"

    whole = (await bob.rest("GET", path)).json()
    pending = (await bob.rest("GET", f"{path}?status=pending")).json()
    one = (await bob.rest("GET", f"{path}?status=pending&limit=1")).json()
    cursor = one["page"]["nextCursor"]
    two = (await bob.rest("GET", f"{path}?status=pending&limit=1&cursor={cursor}")).json()
    other = await bob.rest("GET", f"{path}?status=approved&limit=1&cursor={cursor}")
    wrong = await bob.rest("GET", f"{path}?status=open")

    assert [a["id"] for a in whole["data"]] == [third, second, first]
    assert whole["data"][0].keys() == FIELDS
    assert [a["id"] for a in pending["data"]] == [third, first]
    assert [a["id"] for a in (*one["data"], *two["data"])] == [third, first]
    assert (other.status_code, wrong.status_code) == (400, 400)


async def test_the_queue_by_graphql(ann: Person, bob: Person) -> None:
    post, id = await submitted(ann)
    await approved(ann, bob)

    for filter, found in (
        ({"status": ["PENDING"], "brandId": ann.brand}, [id]),
        ({"status": ["PENDING"], "brandId": ann.workspace}, []),
    ):
        said = (await bob.gql(QUEUE, id=ann.workspace, filter=filter))["data"]["workspace"]
        nodes = said["approvals"]["nodes"]
        assert [n["id"] for n in nodes] == found
        assert [n["post"]["id"] for n in nodes] == [post] * len(found)
        assert [n["requester"]["name"] for n in nodes] == ["Ann"] * len(found)


async def test_posts_are_found_by_their_review(ann: Person, bob: Person) -> None:
    pending, _ = await submitted(ann)
    done, _ = await approved(ann, bob)
    path = f"/brands/{ann.brand}/posts"

    by_phase = [
        [p["id"] for p in (await ann.rest("GET", f"{path}?phase={phase}")).json()["data"]]
        for phase in ("pending_approval", "approved", "draft")
    ]
    drafts = (await ann.rest("GET", f"{path}?status=draft")).json()["data"]

    assert by_phase == [[pending], [done], []]
    assert {p["id"] for p in drafts} == {pending, done}
    assert {p["approval"]["status"] for p in drafts} == {"pending", "approved"}


async def test_every_step_is_audited(house: House, ann: Person, bob: Person) -> None:
    post, id = await submitted(ann)
    await ann.rest("POST", f"/approvals/{id}/withdraw")
    for decide in ("approve", "reject"):
        id = (await ann.rest("POST", f"/posts/{post}/approvals")).json()["id"]
        await bob.rest(
            "POST", f"/approvals/{id}/{decide}", {"reason": "No"} if decide == "reject" else None
        )
        await ann.rest("PATCH", f"/posts/{post}", {"content": f"After {decide}"})

    rows = await house.owner.fetch(
        "SELECT action, user_id::text AS who, actor_type FROM audit_events"
        " WHERE workspace_id = $1 AND resource_type = 'approval' ORDER BY created_at, id",
        ann.workspace,
    )

    assert [(r.action, r.who, r.actor_type) for r in rows] == [
        ("approval.requested", ann.id, "user"),
        ("approval.withdrawn", ann.id, "user"),
        ("approval.requested", ann.id, "user"),
        ("approval.approved", bob.id, "user"),
        ("approval.voided", ann.id, "system"),
        ("approval.requested", ann.id, "user"),
        ("approval.rejected", bob.id, "user"),
    ]


@asynccontextmanager
async def heard(house: House, person: Person, **given: Any) -> Any:
    """A subscriber to the approvals of a workspace."""
    async with Socket.open(house.settings.origin, person.token) as live:
        await live.subscribe(LIVE, workspaceId=person.workspace, **given)
        yield live


async def story(live: Socket, until: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(5):
        while not found or found[-1]["type"] != until:
            found.append((await live.next())["approvalChanged"])
    return found


async def test_a_subscriber_hears_of_approvals(house: House, ann: Person, bob: Person) -> None:
    async with heard(house, bob, brandId=ann.brand) as live:
        post, id = await submitted(ann)
        await bob.rest("POST", f"/approvals/{id}/approve")
        await ann.rest("PATCH", f"/posts/{post}", {"content": "Other"})
        await house.tell()
        events = await story(live, "approval.voided")
    async with heard(house, bob, after=events[0]["cursor"]) as later:
        again = await story(later, "approval.voided")

    assert [(e["type"], e["previousStatus"], e["status"]) for e in events] == [
        ("approval.requested", None, "PENDING"),
        ("approval.approved", "PENDING", "APPROVED"),
        ("approval.voided", "APPROVED", "VOIDED"),
    ]
    assert events[-1]["approval"] == {
        "id": id, "status": "VOIDED", "reason": None, "post": {"phase": "DRAFT"},
    }  # fmt: skip
    assert [e["cursor"] for e in again] == [e["cursor"] for e in events[1:]]


async def test_a_subscriber_hears_of_the_brand_he_asked_for_only(house: House, ann: Person) -> None:
    body = {"name": "Second"}
    path = f"/workspaces/{ann.workspace}/brands"
    second = (await ann.rest("POST", path, body)).json()["id"]
    async with heard(house, ann, brandId=ann.brand) as live:
        given = {"content": "x", "targetAccountIds": []}
        other = (await ann.rest("POST", f"/brands/{second}/posts", given)).json()["id"]
        await ann.rest("POST", f"/posts/{other}/approvals")
        _, id = await submitted(ann)
        await house.tell()
        events = await story(live, "approval.requested")

    assert [e["approval"]["id"] for e in events] == [id]


async def test_another_tenants_approvals_cannot_be_heard(
    ann: Person, eve: Person, live: Socket
) -> None:
    await live.subscribe(LIVE, workspaceId=eve.workspace)

    message = live.seen.pop(0) if live.seen else await live.receive()

    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_post_status_tells_of_the_review(house: House, ann: Person, bob: Person) -> None:
    post, id = await submitted(ann)
    await ann.rest("POST", f"/approvals/{id}/withdraw")
    await ann.rest("POST", f"/posts/{post}/approvals")
    await house.tell()

    rows = await house.owner.fetch(
        "SELECT type, payload FROM events WHERE workspace_id = $1 AND type LIKE 'post.%'"
        " ORDER BY number",
        ann.workspace,
    )

    assert [(r.type, r.payload["previousPhase"]) for r in rows] == [
        ("post.pending_approval", "draft"),
        ("post.draft", "pending_approval"),
        ("post.pending_approval", "draft"),
    ]

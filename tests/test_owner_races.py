"""Owners against each other: whatever they do to one another at once, an owner is left."""

import asyncio
import random

from tests.client import Api, Person
from tests.conftest import House
from tests.test_team import role_of

WORKSPACES, ROUNDS = 10, 50
LEAVE = "mutation($i: LeaveWorkspaceInput!) { leaveWorkspace(input: $i) { userErrors { code } } }"
OWNERS = (
    "SELECT count(*) FROM members m JOIN roles r ON r.id = m.role_id"
    " WHERE m.workspace_id = $1 AND r.name = 'Owner'"
)
AGAIN = (
    "INSERT INTO members (id, workspace_id, user_id, role_id)"
    " SELECT mypost_id(5), $1, person, $3 FROM unnest($2::uuid[]) person"
    " ON CONFLICT (workspace_id, user_id) DO UPDATE SET role_id = $3"
)


async def test_in_500_rounds_there_is_always_an_owner(house: House, api: Api) -> None:
    told: set[int] = set()

    async def play(seed: int) -> None:
        dice, ann = random.Random(seed), await api.person(f"Owner{seed}")
        bob = await api.colleague(ann, "Owner")
        owner, editor = await role_of(ann, "Owner"), await role_of(ann, "Editor")

        async def move(who: Person, other: Person) -> None:
            place = f"/workspaces/{ann.workspace}"
            kind = dice.randrange(4)
            if kind == 0:
                answer = await who.rest("DELETE", f"{place}/users/{other.id}")
            elif kind == 1:
                given = {"roleId": editor}
                answer = await who.rest("PATCH", f"{place}/users/{other.id}", given)
            elif kind == 2:
                answer = await who.rest("POST", f"{place}/transfer", {"userId": other.id})
            else:
                await who.gql(LEAVE, i={"workspaceId": ann.workspace})
                return
            told.add(answer.status_code)

        for _ in range(ROUNDS):
            await asyncio.gather(move(ann, bob), move(bob, ann))
            assert await house.value(OWNERS, ann.workspace) >= 1
            await house.owner.execute(AGAIN, ann.workspace, [ann.id, bob.id], owner)

    await asyncio.gather(*(play(seed) for seed in range(WORKSPACES)))

    assert told <= {200, 204, 400, 403, 404, 409}
    assert told & {200, 204}
    assert told & {403, 404, 409}

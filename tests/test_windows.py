"""The limiter against a real Valkey: exact in any second, for any number of processes."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis.asyncio import Redis

from bench.limits import most
from mypost import clock, embedded, limits
from mypost.limits import Limiter
from mypost.windows import Rates, Verdict, Window
from tests.conftest import House

SECOND = 1_000_000
RATES = Rates(10, 100, 1000)
DEADLINE = 10


@pytest.fixture(autouse=True)
def right_clock() -> Iterator[None]:
    yield
    clock.shift(timedelta())


@asynccontextmanager
async def process(url: str) -> AsyncIterator[Limiter]:
    """A limiter as one API process has it."""
    limiter = Limiter(url, RATES)
    await limiter.start()
    try:
        yield limiter
    finally:
        await limiter.close()


@pytest.fixture
async def limiter(house: House) -> AsyncIterator[Limiter]:
    async with process(str(house.settings.redis_url)) as one:
        assert one.shared
        yield one


@pytest.fixture
def redis(house: House) -> Redis:
    return house.services.nudges.redis


def window(limit: int = 10) -> Window:
    return Window(f"test:{secrets.token_hex(8)}", limit)


def later(micros: int) -> None:
    """Lets time pass, for this process and for what it asks of Redis."""
    clock.shift(clock.offset() + timedelta(microseconds=micros))


async def commands(redis: Redis) -> int:
    """How often a process has asked."""
    return int((await redis.info("commandstats"))["cmdstat_evalsha"]["calls"])


async def until(condition: Any) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_no_second_holds_more_than_the_limit_and_nothing_is_refused_that_would_fit(
    house: House,
) -> None:
    dice, shared, admitted = random.Random(7), window(), []
    url = str(house.settings.redis_url)
    async with process(url) as a, process(url) as b, process(url) as c:
        for _ in range(400):
            weights = [dice.choice((1, 1, 1, 2, 5)) for _ in range(dice.randrange(1, 6))]
            for limiter in (a, b, c):
                limiter._full.clear()  # each refusal is to be Redis' own
            asked = [dice.choice((a, b, c)).charge(weight, shared) for weight in weights]
            found = list(zip(await asyncio.gather(*asked), weights, strict=True))
            for verdict, weight in found:
                admitted += [] if verdict.refused else [verdict.at] * weight
            for verdict, weight in found:
                recent = sum(0 <= verdict.at - at <= SECOND for at in admitted)
                assert not verdict.refused or recent + weight > shared.limit
            later(dice.choice((0, 1, 5_000, 100_000, 999_999, SECOND, SECOND + 1)))

    assert len(admitted) > 400
    assert most(admitted) == shared.limit


async def test_an_even_client_just_below_the_limit_is_never_refused(limiter: Limiter) -> None:
    mine, refused = window(), 0
    for _ in range(60 * 19 // 2):
        refused += (await limiter.charge(1, mine)).refused
        later(round(SECOND / 9.5))

    assert refused == 0


async def test_what_is_refused_is_not_charged(limiter: Limiter, redis: Redis) -> None:
    mine = window()
    first = [await limiter.charge(1, mine) for _ in range(10)]
    hammered = [await limiter.charge(1, mine) for _ in range(50)]

    assert [v.refused for v in first] == [0] * 10
    assert [v.left[0] for v in first] == list(range(9, -1, -1))
    assert {v.refused for v in hammered} == {1}
    assert await redis.llen(mine.key) == 10
    later(SECOND)
    assert (await limiter.charge(10, mine)).refused == 0


async def test_a_full_window_keeps_the_others_from_being_charged(
    limiter: Limiter, redis: Redis
) -> None:
    user, workspace, everybody = window(10), window(2), window(1000)
    await limiter.charge(2, workspace)

    verdict = await limiter.charge(1, user, workspace, everybody)

    assert (verdict.refused, verdict.left) == (2, [10, 0, 1000])
    assert await redis.exists(user.key, everybody.key) == 0


async def test_those_who_wait_in_one_turn_ask_in_one_command(
    limiter: Limiter, redis: Redis
) -> None:
    mine, everybody = [window() for _ in range(50)], window(30)
    await limiter.charge(1, window())
    before = await commands(redis)

    verdicts = await asyncio.gather(*(limiter.charge(1, each, everybody) for each in mine))

    assert await commands(redis) - before == 1
    assert [v.refused for v in verdicts] == [0] * 30 + [2] * 20


async def test_a_script_that_redis_has_forgotten_is_told_again(
    limiter: Limiter, redis: Redis
) -> None:
    mine = window(1)
    await redis.script_flush()

    verdicts = await asyncio.gather(*(limiter.charge(1, mine) for _ in range(3)))

    assert [v.refused for v in verdicts] == [0, 1, 1]
    assert (limiter.shared, limiter.by_itself) == (True, 0)


async def test_what_weighs_more_than_a_window_takes_all_of_it(limiter: Limiter) -> None:
    small = window(3)

    assert (await limiter.charge(10, small)).refused == 0
    assert (await limiter.charge(1, small)).refused == 1
    later(SECOND + 1)
    assert (await limiter.charge(1, small)).refused == 0
    assert (await limiter.charge(10, small)).refused == 1


async def test_a_window_known_to_be_full_is_asked_for_no_more(
    limiter: Limiter, redis: Redis
) -> None:
    mine = window(3)

    async def hammer() -> list[int]:
        return [(await limiter.charge(1, mine)).refused for _ in range(20)]

    later(0)
    assert await hammer() == [0] * 3 + [1] * 17
    before = await commands(redis)
    assert await hammer() == [1] * 20
    assert await commands(redis) == before
    later(SECOND + 1)
    assert await hammer() == [0] * 3 + [1] * 17


async def test_a_window_with_a_little_room_is_not_known_to_be_full(limiter: Limiter) -> None:
    mine = window(5)
    await limiter.charge(3, mine)

    verdicts = [(await limiter.charge(weight, mine)).refused for weight in (4, 3, 1, 1, 1)]

    assert verdicts == [1, 1, 0, 0, 1]


async def test_the_list_of_full_windows_stays_short(limiter: Limiter) -> None:
    for number in range(limits.MANY + 5):
        limiter._fill(f"test:{number}", 0.5)
    later(SECOND)
    limiter._fill("test:another", 0.5)

    assert len(limiter._full) == 1


async def test_looking_charges_nothing(limiter: Limiter, redis: Redis) -> None:
    mine = window()

    assert (await limiter.charge(0, mine)).left == [10]
    assert await redis.exists(mine.key) == 0


async def test_what_is_given_back_may_be_charged_again(limiter: Limiter, redis: Redis) -> None:
    mine = window()
    verdict = await limiter.charge(4, mine)
    later(1000)
    await limiter.charge(6, mine)

    limiter.give_back(4, verdict.at, mine)

    assert (await limiter.charge(4, mine)).refused == 0
    assert (await limiter.charge(1, mine)).refused == 1
    assert await redis.llen(mine.key) == 10


async def test_a_window_takes_no_more_room_than_its_limit_and_goes_when_it_is_over(
    limiter: Limiter, redis: Redis
) -> None:
    mine = window(100)
    for _ in range(300):
        await limiter.charge(3, mine)
        later(9_000)

    assert await redis.llen(mine.key) <= 100
    assert 0 < await redis.pttl(mine.key) <= 2000
    assert await redis.memory_usage(mine.key) < 4096


async def test_a_clock_that_is_set_back_stands_still_or_begins_anew(limiter: Limiter) -> None:
    mine = window()
    admitted = [(await limiter.charge(10, mine)).at] * 10

    later(-SECOND // 2)
    assert (await limiter.charge(1, mine)).refused == 1
    later(-3600 * SECOND)
    limiter._full.clear()  # by a clock that nobody sets back
    assert (await limiter.charge(10, mine)).refused == 0
    assert most(admitted) == 10


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """The folder of a Valkey that only this test uses."""
    folder = tmp_path / "valkey"
    yield folder
    embedded._stop_valkey(folder)


def served(own: Path) -> psutil.Process:
    return psutil.Process(int((own / "valkey.pid").read_text()))


async def test_a_killed_redis_keeps_nobody_waiting_and_is_exact_again_when_it_is_back(
    own: Path,
) -> None:
    url, mine = embedded._ensure_valkey(own, fast=True), window()
    async with process(url) as a, process(url) as b:
        await until(lambda: (a._processes, b._processes) == (2, 2))
        before: list[Verdict] = [await a.charge(1, mine) for _ in range(4)]
        served(own).kill()
        await until(lambda: not (a.shared or b.shared))

        async with asyncio.timeout(1):
            alone = [await limiter.charge(1, mine) for limiter in (a, b) for _ in range(30)]

        # Half of the limit for each of two.
        assert sum(v.refused == 0 for v in alone) == 10
        assert a.by_itself == b.by_itself == 30

        embedded._ensure_valkey(own, fast=True)
        await until(lambda: a.shared and b.shared)
        again = [await limiter.charge(1, mine) for limiter in (a, b) for _ in range(30)]

    assert [v.refused for v in before] == [0] * 4
    assert sum(v.refused == 0 for v in again) == 10
    assert a.by_itself == b.by_itself == 30


async def test_what_is_on_its_way_when_redis_goes_is_answered(own: Path) -> None:
    async with process(embedded._ensure_valkey(own, fast=True)) as one:
        served(own).suspend()
        asked = [one.charge(1, window()) for _ in range(5)]
        await asyncio.sleep(0)  # the turn in which they are sent
        served(own).kill()
        verdicts = await asyncio.gather(*asked)

    assert [v.refused for v in verdicts] == [0] * 5
    assert one.by_itself == 5


async def test_a_redis_that_hangs_keeps_nobody_waiting_for_long(own: Path) -> None:
    async with process(embedded._ensure_valkey(own, fast=True)) as one:
        served(own).suspend()
        async with asyncio.timeout(limits.PATIENCE_S * 4):
            held = await one.charge(1, window())
        async with asyncio.timeout(limits.PATIENCE_S / 2):
            others = [await one.charge(1, window()) for _ in range(20)]
        served(own).resume()
        await until(lambda: one.shared)

    assert [v.refused for v in (held, *others)] == [0] * 21


async def test_a_start_without_redis_waits_for_none() -> None:
    async with process("redis://127.0.0.1:1") as one:
        mine = window()
        verdicts = [await one.charge(1, mine) for _ in range(12)]

    assert not one.shared
    assert [v.refused for v in verdicts] == [0] * 10 + [1] * 2


async def test_one_process_counts_for_itself_as_redis_does(house: House) -> None:
    """The two ways to count decide alike, for any order of charges."""
    dice, alone, mine = random.Random(11), limits.Alone(), (window(10), window(25))
    async with process(str(house.settings.redis_url)) as shared:
        begin = (await shared.charge(0, window())).at
        for _ in range(500):
            weight = dice.choice((1, 1, 2, 7, 30))
            shared._full.clear()
            there = await shared.charge(weight, *mine)
            here = alone.charge(weight, mine, (there.at - begin) / SECOND)
            assert (there.refused, there.left) == (here.refused, here.left)
            later(dice.choice((50_000, 300_000, 2 * SECOND)))

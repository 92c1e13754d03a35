"""What one run does, drawn from its seed: accounts, posts, what people do to them, and acts."""

import hashlib
import random
from dataclasses import asdict, dataclass, field, replace

MODES = {"key": "ok", "two_step": "two_step", "lookup": "lookup", "blind": "blind"}
ACCOUNTS, BRANDS = 60, 6
WORKERS, APIS = 4, 2
LEAD = 3.0  # no post is scheduled later than so long before it is due
LONGEST_LEAD = 40.0
SMALL = 1_000
LEAST = 0.05  # the share of the acts that the smallest run has
ACTED = 0.12  # the share of posts that somebody changes
POINTS = (
    *("claimed", "sending_committed", "prepared", "before_first_byte", "after_first_byte"),
    *("answered", "outcome_written", "swept", "polled", "reconciled", "resolved"),
)
WORDS = (
    "fresh",
    "bread",
    "at",
    "the",
    " corner",
    "bakery ",
    "café",
    "🥐",
    "Brötchen",
    "e\u0301clair",
)


@dataclass(frozen=True, slots=True)
class Account:
    """One account, by the handle that the recorder knows."""

    handle: str
    kind: str
    brand: int


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody does to a scheduled post."""

    at: float
    did: str  # edit, reschedule, cancel, cancel_and_back, delete
    text: str = ""
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class Planned:
    """One post: all times are seconds from the begin of the run."""

    number: int
    at: float
    due: float
    accounts: tuple[str, ...]
    text: str
    action: Action | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """One thing the nemesis does."""

    at: float
    did: str  # kill, point, kill_api, pause, pause_api, redis, postgres
    which: int = 0
    seconds: float = 0.0
    point: str = ""
    nth: int = 0


@dataclass(frozen=True, slots=True)
class Weather:
    """How many of each act a run with 10,000 targets has, a smaller one has its share; and more."""

    kill: int = 200
    armed: float = 0.33  # the share of kills that are at a named point
    points: tuple[str, ...] = POINTS
    kill_api: int = 20
    redis: int = 10
    postgres: int = 5
    pause: int = 50
    longest_pause: float = 60.0
    faults: float = 0.1
    most_lost: int = 2  # how many answers in a row one post may lose
    acted: float = ACTED
    raced: float = 0.5  # the share of changes that are made around the due second
    kinds: tuple[str, ...] = tuple(MODES)
    without_redis: bool = False
    points_runs: int = 0  # kills one worker at each point so often, and does nothing else


# A lost answer of a network that can only be listed takes a minute to settle.
SHORT = Weather(most_lost=1)
# Over in a minute and a half, though many answers that only a list can settle would take longer.
QUICK, SOON = Weather(kill=300, faults=0.02, most_lost=1), 20.0
CALM = Weather(kill=0, kill_api=0, redis=0, postgres=0, pause=0, faults=0.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run does; the same seed draws the same."""

    seed: int
    window: float
    weather: Weather
    accounts: tuple[Account, ...]
    posts: tuple[Planned, ...]
    acts: tuple[Act, ...] = field(default=())

    @property
    def targets(self) -> int:
        """How many posts times accounts."""
        return sum(len(post.accounts) for post in self.posts)

    @property
    def digest(self) -> str:
        """Names the plan: two runs of one seed print the same."""
        return hashlib.sha256(repr(asdict(self)).encode()).hexdigest()[:12]


def words(chance: random.Random, number: int, revision: int) -> str:
    """Writes a text that carries its number; white space and accents as people leave them."""
    said = " ".join(chance.choices(WORDS, k=6))
    return f"{said} #m{number:06d} r{revision}"


def draw(
    seed: int, targets: int, weather: Weather | None = None, window: float | None = None
) -> Plan:
    """Draws a run with so many targets, 33 a second for 30 s at least and 300 s at most."""
    weather = weather or (Weather() if targets >= SMALL else SHORT)
    chance = random.Random(f"plan:{seed}")
    window = window or max(30.0, min(300.0, targets * 0.03))
    accounts = tuple(
        Account(f"a{n:02d}", weather.kinds[n % len(weather.kinds)], n * BRANDS // ACCOUNTS)
        for n in range(ACCOUNTS)
    )
    return Plan(
        seed,
        window,
        weather,
        accounts,
        tuple(_posts(chance, targets, window, accounts, weather)),
        tuple(_acts(random.Random(f"acts:{seed}"), window, weather, targets)),
    )


def _posts(
    chance: random.Random,
    targets: int,
    window: float,
    accounts: tuple[Account, ...],
    weather: Weather,
) -> list[Planned]:
    posts: list[Planned] = []
    left = targets
    while left:
        number = len(posts) + 1
        brand = chance.randrange(BRANDS)
        own = [account.handle for account in accounts if account.brand == brand]
        count = min(left, 1 if chance.random() < 0.8 else chance.randint(2, 4))  # noqa: PLR2004
        at = chance.uniform(0, window)
        due = round(at + LEAD + chance.uniform(0, min(LONGEST_LEAD, window / 2)), 3)
        post = Planned(number, at, due, tuple(chance.sample(own, count)), words(chance, number, 0))
        posts.append(replace(post, action=_action(chance, post, weather)))
        left -= count
    return sorted(posts, key=lambda post: post.at)


def _action(chance: random.Random, post: Planned, weather: Weather) -> Action | None:
    if chance.random() >= weather.acted:
        return None
    did = chance.choices(
        ("edit", "cancel", "reschedule", "cancel_and_back", "delete"), (4, 4, 2, 1, 1)
    )[0]
    if chance.random() < weather.raced:
        at = post.due + chance.uniform(-0.5, 0.3)
    else:
        at = chance.uniform(post.at + 1, max(post.at + 1, post.due - 1))
    return Action(
        at,
        did,
        text=words(chance, post.number, 1),
        due=round(max(at, post.due) + chance.uniform(1, 10), 3),
    )


def _acts(chance: random.Random, window: float, weather: Weather, targets: int) -> list[Act]:
    share = max(LEAST, targets / 10_000)

    def times(count: int) -> list[float]:
        number = max(1, round(count * share)) if count else 0
        return [round(chance.uniform(2, window + LEAD), 3) for _ in range(number)]

    acts = []
    for at in times(weather.kill):
        which = chance.randrange(WORKERS)
        # The first worker is supervised: its supervisor would arm its child again and again.
        if chance.random() < weather.armed and which > 0:
            point, nth = chance.choice(weather.points), chance.randint(1, 3)
            acts.append(Act(at, "point", which, 0, point, nth))
        else:
            part = chance.randrange(4) if which == 0 else 0
            acts.append(Act(at, "kill", which, nth=part))
    acts += [Act(at, "kill_api", chance.randrange(APIS)) for at in times(weather.kill_api)]
    acts += [Act(at, "redis", 0, round(chance.uniform(0.2, 3), 3)) for at in times(weather.redis)]
    acts += [
        Act(at, "postgres", 0, round(chance.uniform(0.2, 5), 3)) for at in times(weather.postgres)
    ]
    longest = min(weather.longest_pause, window / 2)
    for number, at in enumerate(times(weather.pause)):
        seconds = round(chance.uniform(1, longest), 3)
        if number % 5 == 4:  # noqa: PLR2004
            acts.append(Act(at, "pause_api", chance.randrange(APIS), seconds))
        else:
            acts.append(Act(at, "pause", chance.randrange(WORKERS), seconds))
    return sorted(acts, key=lambda act: (act.at, act.did))

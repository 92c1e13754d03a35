"""The words that networks and the rest of the product speak with each other; all are values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """How a network lets us settle a send whose answer was lost."""

    KEY = "key"  # it drops repeats of our dispatch key
    TWO_STEP = "two_step"  # the first step is invisible and gives a readable handle
    LOOKUP = "lookup"  # own recent posts can be listed
    BLIND = "blind"  # nothing can be read back


@dataclass(frozen=True, slots=True)
class Terms:
    """How a lost answer of one account is settled: some scopes let us read, others do not."""

    kind: Kind
    settle: float  # seconds after sent_at + timeout before a read proves absence
    apart: float = 2.0  # seconds between the two reads that it takes
    renews: bool = False  # the grant can be renewed


@dataclass(frozen=True, slots=True)
class Grant:
    """A network's tokens for one account; its repr never shows them."""

    secrets: Mapping[str, str] = field(repr=False)
    expires_at: datetime | None = None
    renewed_at: datetime | None = None  # None until it has been renewed
    ends_at: datetime | None = None  # when nobody can renew it any more; None: not foreseen


@dataclass(frozen=True, slots=True)
class Profile:
    """The account a network says the credentials belong to."""

    external_id: str
    handle: str
    name: str
    profile_image_url: str | None
    scopes: tuple[str, ...]
    grant: Grant
    token_expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One post as it is sent: frozen before the first byte, so that a resend is the same."""

    key: str
    text: str
    created_at: datetime
    media: tuple[object, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    handle: str | None = None  # what the first step gave, on a network of two
    others: frozenset[str] = frozenset()  # the account's live posts that are not this one


@dataclass(frozen=True, slots=True)
class Budget:
    """What a network says of a quota: so many of so many calls are left, for so many seconds."""

    scope: str  # account, or app: everybody who posts through this installation
    limit: int
    remaining: int
    reset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    budgets: tuple[Budget, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Published(_Answered):
    """The post is live and the network names it."""

    external_id: str
    external_url: str


@dataclass(frozen=True, slots=True)
class Prepared(_Answered):
    """The first of two steps is done: nothing is visible, and the handle names what waits."""

    handle: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pending(_Answered):
    """The last step was accepted; the handle can be read until the post is live."""

    handle: str


@dataclass(frozen=True, slots=True)
class RateLimited(_Answered):
    """Nothing was accepted; the network asks for a pause of so many seconds."""

    retry_after: float
    everybody: bool = False  # the pause is for every account of the network


@dataclass(frozen=True, slots=True)
class Rejected(_Answered):
    """Nothing was accepted and the network says why."""

    category: str
    message: str
    network_code: str | None
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Expired(_Answered):
    """Nothing was accepted because the grant is no longer valid."""

    message: str


@dataclass(frozen=True, slots=True)
class NotSent(_Answered):
    """It is proven that nothing was accepted: refused connection, or refused before acceptance."""

    message: str


@dataclass(frozen=True, slots=True)
class Unknown(_Answered):
    """The post may or may not be live: timeout, reset, 5xx or an answer nobody can parse."""

    message: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The read succeeded and the post is not there."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The read failed, so nothing is known."""

    message: str


@dataclass(frozen=True, slots=True)
class Several:
    """The read found more than one post that may be this one."""

    count: int


Answer = Published | Pending | RateLimited | Rejected | Expired | NotSent | Unknown
Step = Prepared | RateLimited | Rejected | Expired | NotSent | Unknown
Finding = Published | Pending | Rejected | Absent | Several | Unreadable


@dataclass(frozen=True, slots=True)
class Metrics:
    """How often a post was liked, reposted, answered and quoted; None is not reported."""

    likes: int | None = None
    reposts: int | None = None
    replies: int | None = None
    quotes: int | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """One counter of a text or its media against the network's limits, both inclusive."""

    unit: str
    length: int
    limit: int
    minimum: int = 0

    @property
    def fits(self) -> bool:
        """Tells whether the network takes this length."""
        return self.minimum <= self.length <= self.limit


class Refused(Exception):
    """The credentials are faulty; every faulty field is named."""

    def __init__(self, faults: Iterable[tuple[str, str]]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(f"{name} {message}" for name, message in self.faults))


class Unavailable(Exception):
    """The network could not be asked, so the credentials are neither good nor bad."""


class Unsupported(Exception):
    """The network offers no such call."""


class NoAnswer(Exception):
    """No whole answer came back in time; `proves` is what that means for a send."""

    def __init__(self, proves: NotSent | Unknown) -> None:
        self.proves = proves
        super().__init__(proves.message)
